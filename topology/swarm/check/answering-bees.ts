import type { BeeTypeInfo } from '../bee-type.ts'
import type { SwarmBee } from '../checked-swarm.ts'

/**
 * Returns the bees of a swarm. A `respond` bee is added to a swarm that has none, if the swarm ends in bees that may answer by themselves (a Python
 * bee that calls `swarm.respond`). The added bee reads each of these bees that no other bee reads. The first outcome is the answer.
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
 * The way in which an answer of the bee itself (`Answered`) becomes the answer of the request. `direct`: the ledger gets it at once, and the bees
 * behind this one get what the bee publishes. `result`: the answer is the bee's result, because only the respond bee reads the bee. `none`: the
 * answer is not passed on, because the bee may not answer, or the swarm answers nobody.
 */
export type AnswerWay = 'direct' | 'result' | 'none'

/** The ways of the bees that may answer, by name. Any other bee has none. */
export function answerWays(bees: readonly SwarmBee[]): ReadonlyMap<string, AnswerWay> {
  const respond = bees.find(({ type }) => type.role === 'respond')
  if (respond === undefined) return new Map()
  const last = new Set(respond.input?.kind === 'join' ? [] : (respond.input?.bees ?? []))
  for (const { input } of bees.filter((bee) => bee !== respond)) for (const name of input?.bees ?? []) last.delete(name)
  return new Map(bees.flatMap(({ name, type }) => (type.mayAnswer ? [[name, last.has(name) ? 'result' : 'direct'] as const] : [])))
}

/** `respond`, or a name that no bee has. */
function freeName(bees: readonly SwarmBee[]): string {
  const taken = new Set(bees.map(({ name }) => name))
  let name = 'respond'
  for (let number = 2; taken.has(name); number++) name = `respond-${number}`
  return name
}

const unset = { spec: {}, gpu: 0, replicas: 1, maxReplicas: 1, timeoutMs: null, onTimeout: 'fail', onError: 'fail' } as const
