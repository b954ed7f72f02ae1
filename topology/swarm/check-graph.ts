import type { WaggleError } from '../waggle-error.ts'
import type { BeeCatalog, BeeRole, BeeTypeInfo } from './bee-type.ts'
import { inputOf, type RawBee } from './check.ts'
import { mistakeAt, type SwarmDocument } from './document.ts'
import { didYouMean } from './nearest-name.ts'
import { misfit } from './payload-fit.ts'

/** How the bees feed each other: inputs that are not there, cycles, bees that nothing reaches, roles that do not fit. */
export function checkGraph(document: SwarmDocument, bees: readonly RawBee[], catalog: BeeCatalog, mistakes: WaggleError[]): void {
  const nodes = bees.map((bee, index) => ({
    index,
    name: typeof bee.name === 'string' ? bee.name : '',
    type: typeof bee.type === 'string' ? catalog.find(bee.type) : null,
    role: typeof bee.type === 'string' ? (catalog.find(bee.type)?.role ?? null) : null,
    input: inputOf(bee.input),
    bee,
  }))
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const add = (path: readonly (string | number)[], message: string, next: string) => mistakes.push(mistakeAt(document.place(path), message, next))

  for (const { index, name, type, role, input, bee } of nodes) {
    const at = ['bees', index] as const
    if (role === 'gateway' && bee.input !== undefined) add([...at, 'input'], `${name} is a gateway and takes no input`, 'Remove its input.')
    if (role !== null && role !== 'gateway' && bee.input === undefined)
      add(at, `${name} has no input`, 'Add input: { name: <bee> }, { join: […] } or { stack: […] }.')
    if (input !== null) {
      const seen = new Set<string>()
      input.bees.forEach((from, item) => {
        const path = input.kind === 'name' ? [...at, 'input', 'name'] : [...at, 'input', input.kind, item]
        if (seen.has(from)) add(path, `${from} is named twice`, 'Name each input once.')
        seen.add(from)
        const source = byName.get(from)
        if (source === undefined) {
          const hint = didYouMean(from, byName.keys())
          add(path, `there is no bee ${from}`, hint === '' ? `Use one of ${[...byName.keys()].join(', ')}.` : hint)
        } else {
          refuseRoles(source.role, role, from, name, (message, next) => add(path, message, next))
          const feeder = behindBatches(source, byName)
          const wrong = input.kind === 'join' || !feeder?.type?.output || !type?.input ? null : misfit(feeder.type.output, type.input)
          if (wrong !== null) add(path, `${feeder?.name} ${wrong} by ${name}`, `Put a bee between them that makes of the one what ${name} takes.`)
        }
      })
      if (input.kind !== 'name' && role === 'batch') add([...at, 'input'], `${name} is a batch and reads one bee`, 'Use input: { name: <bee> }.')
    }
    const joins = input?.kind === 'join'
    if (bee.on_timeout !== undefined && !joins)
      add([...at, 'on_timeout'], `${name} does not join, so on_timeout means nothing`, 'Remove it, or use input: { join: […] }.')
    if (typeof bee.replicas === 'number' && typeof bee.max_replicas === 'number' && bee.replicas > bee.max_replicas) {
      add([...at, 'max_replicas'], `max_replicas ${bee.max_replicas} is less than replicas ${bee.replicas}`, 'Raise it.')
    }
  }
  checkGateways(document, nodes, mistakes)
  const [, second] = nodes.filter(({ role }) => role === 'respond')
  if (second !== undefined) add(['bees', second.index, 'type'], 'a second bee answers the caller', 'Keep one respond bee: a request has one answer.')
  const cyclic = checkCycles(nodes, byName, add)
  const reached = reachedFrom(nodes)
  for (const { index, name, role } of nodes) {
    if (role === null || name === '' || reached.has(name) || cyclic.has(name)) continue
    add(['bees', index, 'name'], `nothing reaches ${name}: no way leads to it from a gateway`, 'Feed it from a bee that a gateway reaches.')
  }
}

/** A batch gives on what it gathers. */
function behindBatches(node: GraphBee, byName: ReadonlyMap<string, GraphBee>): GraphBee | null {
  const seen = new Set<GraphBee>()
  let at: GraphBee | undefined = node
  while (at?.role === 'batch' && !seen.has(at)) {
    seen.add(at)
    at = byName.get(at.input?.bees[0] ?? '')
  }
  return at ?? null
}

interface GraphBee {
  readonly index: number
  readonly name: string
  readonly type: BeeTypeInfo | null
  readonly role: BeeRole | null
  readonly input: ReturnType<typeof inputOf>
  readonly bee: RawBee
}

function refuseRoles(from: BeeRole | null, to: BeeRole | null, source: string, reader: string, add: (message: string, next: string) => void): void {
  if (source === reader) return
  if (from === 'sink' || from === 'output') add(`${source} is a sink and gives nothing on`, 'Read what it reads.')
  if (from === 'respond') add(`${source} answers the caller and gives nothing on`, 'Read what it reads.')
  if (from === 'batch' && to !== null && to !== 'call' && to !== 'sink')
    add(`${reader} cannot be fed batches`, `Let ${reader} read what ${source} reads.`)
}

function checkGateways(document: SwarmDocument, nodes: readonly GraphBee[], mistakes: WaggleError[]): void {
  const names = new Map<string, string>()
  for (const { index, name, role, bee } of nodes) {
    if (role !== 'gateway') continue
    const gateway = (bee.spec as { name?: unknown } | undefined)?.name
    if (typeof gateway !== 'string') continue
    const other = names.get(gateway)
    if (other !== undefined)
      mistakes.push(
        mistakeAt(
          document.place(['bees', index, 'spec', 'name']),
          `${other} has the gateway ${gateway} already`,
          'Give one of the two another name.',
        ),
      )
    names.set(gateway, name)
  }
  if (nodes.length > 0 && nodes.every(({ role }) => role !== null && role !== 'gateway')) {
    mistakes.push(mistakeAt(document.place(['bees'], { key: true }), 'the swarm has no gateway', 'Add a bee of type gateway-input, or kafka-input.'))
  }
}

function checkCycles(
  nodes: readonly GraphBee[],
  byName: ReadonlyMap<string, GraphBee>,
  add: (path: readonly (string | number)[], message: string, next: string) => void,
): ReadonlySet<string> {
  const done = new Set<string>()
  const cyclic = new Set<string>()
  const walk = (node: GraphBee, path: readonly string[]): void => {
    const start = path.indexOf(node.name)
    if (start >= 0) {
      const ring = path.slice(start)
      if (ring.every((name) => !cyclic.has(name))) {
        const first = nodes.find(({ name }) => ring.includes(name)) ?? node
        add(['bees', first.index, 'input'], `a cycle: ${[...ring, node.name].reverse().join(' → ')}`, 'Take one of these inputs away.')
      }
      for (const name of ring) cyclic.add(name)
      return
    }
    if (done.has(node.name)) return
    for (const from of node.input?.bees ?? []) {
      const source = byName.get(from)
      if (source !== undefined) walk(source, [...path, node.name])
    }
    done.add(node.name)
  }
  for (const node of nodes) walk(node, [])
  return cyclic
}

/** A bee whose input is missing or unknown has its own mistake and counts as reached. */
function reachedFrom(nodes: readonly GraphBee[]): ReadonlySet<string> {
  const known = new Set(nodes.map(({ name }) => name))
  const roots = nodes.filter(({ role, input }) => role === 'gateway' || input === null || input.bees.some((from) => !known.has(from)))
  const reached = new Set(roots.map(({ name }) => name))
  for (let before = -1; before !== reached.size; ) {
    before = reached.size
    for (const { name, input } of nodes) if (input?.bees.some((from) => reached.has(from))) reached.add(name)
  }
  return reached
}
