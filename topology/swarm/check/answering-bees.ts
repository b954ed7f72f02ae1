import { type BeeTypeInfo, returningRoles } from '../bee-type.ts'
import type { SwarmBee } from '../checked-swarm.ts'
import { BranchGraph } from './branch-graph.ts'

/**
 * Returns the bees of a swarm. A swarm without a `respond` bee gets one if it ends in bees that may answer by themselves. A Python bee that calls
 * `swarm.respond` is such a bee. The added bee reads each of these bees that no other bee reads. The first outcome is the answer.
 */
export function withAnswer(bees: readonly SwarmBee[], respond: BeeTypeInfo | null): readonly SwarmBee[] {
  if (respond === null || bees.some(({ type }) => type.role === 'respond')) return bees
  const read = new Set(bees.flatMap(({ input }) => input?.bees ?? []))
  const last = bees.filter(({ name, type }) => type.mayAnswer && !read.has(name)).map(({ name }) => name)
  if (last.length === 0) return bees
  const input = last.length === 1 ? ({ kind: 'name', bees: last } as const) : ({ kind: 'stack', bees: last } as const)
  return [...bees, { ...unset, name: freeName(bees), type: respond, input }]
}

/**
 * The way of an answer that a bee gives with `swarm.respond`, without the respond bee. `direct`: the ledger gets the answer at once, and the bees
 * behind this bee get the value that it publishes. `result`: the answer is the bee's result, because only the respond bee reads the bee. `none`: the
 * answer is not passed on, because the bee may not answer, or the swarm answers nobody; every bee that `answerWays` does not list has this way.
 */
export type AnswerWay = 'direct' | 'result' | 'none'

/** For each bee that may answer by itself, by name: the way of its answer. Any other bee has no entry. */
export function answerWays(bees: readonly SwarmBee[]): ReadonlyMap<string, AnswerWay> {
  const respond = bees.find(({ type }) => type.role === 'respond')
  if (respond === undefined) return new Map()
  const last = new Set(respond.input?.kind === 'join' ? [] : (respond.input?.bees ?? []))
  for (const { input } of bees.filter((bee) => bee !== respond)) for (const name of input?.bees ?? []) last.delete(name)
  return new Map(bees.flatMap(({ name, type }) => (type.mayAnswer ? [[name, last.has(name) ? 'result' : 'direct'] as const] : [])))
}

/**
 * The bees that tell the ledger about each request that leaves them without an answer. Each of these bees may answer by itself, and no way leads from
 * it to the respond bee. While such a bee still has a request, the respond bee may learn that the request took none of the ways to it. The request is
 * refused only when the other bee is done too. A bee in a loop or a cache may get the request several times. So the loop or the cache tells the
 * ledger instead. Empty if the respond bee gets a result or an error of every request.
 */
export function unansweringBees(bees: readonly SwarmBee[]): ReadonlySet<string> {
  const respond = bees.find(({ type }) => type.role === 'respond')
  if (respond === undefined) return new Set()
  const graph = BranchGraph.of(bees)
  const leading = graph.leadingTo(respond.name)
  if (!bees.some(({ name, type }) => type.isConditional && leading.has(name))) return new Set()
  const ways = answerWays(bees)
  const outside = bees.filter(({ name, shadows }) => ways.get(name) === 'direct' && shadows === undefined && !leading.has(name))
  const rings = outside.length === 0 ? [] : graph.bees.filter(({ type }) => type !== null && returningRoles.has(type.role))
  const insides = new Map(rings.map((ring) => [ring.name, graph.insideOf(ring)]))
  return new Set(outside.map(({ name }) => outermost(name, insides)))
}

/** The outermost loop or cache around a bee; the bee itself if there is none. */
function outermost(name: string, insides: ReadonlyMap<string, ReadonlySet<string>>): string {
  const around = [...insides].filter(([, inside]) => inside.has(name)).map(([ring]) => ring)
  return around.find((ring) => !around.some((other) => other !== ring && insides.get(other)?.has(ring) === true)) ?? name
}

/** `respond`, or a name that no bee has. */
function freeName(bees: readonly SwarmBee[]): string {
  const taken = new Set(bees.map(({ name }) => name))
  let name = 'respond'
  for (let number = 2; taken.has(name); number++) name = `respond-${number}`
  return name
}

const unset = { spec: {}, gpu: 0, replicas: 1, maxReplicas: 1, timeoutMs: null, onTimeout: 'fail', onError: 'fail' } as const
