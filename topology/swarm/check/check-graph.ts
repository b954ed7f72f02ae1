import type { WaggleError } from '../../waggle-error.ts'
import { type BeeCatalog, type BeeRole, type BeeTypeInfo, returningRoles } from '../bee-type.ts'
import { enoughMistakes, mistakeAt, type Path, type SwarmDocument } from '../swarm-document.ts'
import { checkBranches } from './check-branches.ts'
import { enumerated } from './enumerated.ts'
import { didYouMean } from './nearest-name.ts'
import { misfit } from './payload-fit.ts'
import { inputOf, type RawBee } from './raw-bee.ts'

/** Checks how the bees feed each other. Finds unknown inputs, cycles, bees that no gateway reaches, and roles that do not fit. */
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
  const add: Add = (path, message, next, options) => {
    if (mistakes.length < enoughMistakes) mistakes.push(mistakeAt(document.place(path, options), message, next))
  }
  const feeders = new Feeders(byName)

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
          // A file may be wrong throughout. Comparing every unknown name with every bee could then take minutes.
          const hint = mistakes.length < maxHinted ? didYouMean(from, byName.keys()) : ''
          add(path, `there is no bee ${from}`, hint === '' ? `Use one of ${enumerated(byName.keys(), byName.size)}.` : hint)
        } else {
          refuseRoles(source, { name, role, input }, (message, next) => add(path, message, next))
          const feeder = feeders.behindBatches(source)
          const wrong = input.kind === 'join' || !feeder?.type?.output || !type?.input ? null : misfit(feeder.type.output, type.input)
          if (wrong !== null) add(path, `${feeder?.name} ${wrong} by ${name}`, `Put a bee between them that makes of the one what ${name} takes.`)
        }
      })
      if (input.kind !== 'name' && role === 'batch') add([...at, 'input'], `${name} is a batch and reads one bee`, 'Use input: { name: <bee> }.')
    }
    checkInputKeys(bee.spec, type, input?.bees ?? [], (key, setting) => {
      const hint = didYouMean(setting, input?.bees ?? [])
      const inputs = enumerated(input?.bees ?? [], input?.bees.length ?? 0)
      add([...at, 'spec', key, setting], `${setting} is not an input of ${name}`, hint === '' ? `Use its inputs: ${inputs}.` : hint, { key: true })
    })
    if (typeof bee.gpu === 'number' && bee.gpu > 0 && role !== null && role !== 'call')
      add([...at, 'gpu'], `${name} is a ${type?.type}, which cannot use a GPU`, 'Remove gpu.')
    const joins = input?.kind === 'join'
    if (bee.on_timeout !== undefined && !joins)
      add([...at, 'on_timeout'], `${name} does not join, so on_timeout means nothing`, 'Remove it, or use input: { join: […] }.')
    if (typeof bee.replicas === 'number' && typeof bee.max_replicas === 'number' && bee.replicas > bee.max_replicas) {
      add([...at, 'max_replicas'], `max_replicas ${bee.max_replicas} is less than replicas ${bee.replicas}`, 'Raise it.')
    }
  }
  checkGateways(nodes, add)
  const [, second] = nodes.filter(({ role }) => role === 'respond')
  if (second !== undefined) add(['bees', second.index, 'type'], 'a second bee answers the caller', 'Keep one respond bee: a request has one answer.')
  const cyclic = checkCycles(nodes, byName, add)
  checkBranches(
    nodes.map((node) => ({ ...node, spec: specOf(node.bee) })),
    add,
  )
  const reached = reachedFrom(nodes)
  for (const { index, name, role } of nodes) {
    if (role === null || name === '' || reached.has(name) || cyclic.has(name)) continue
    add(['bees', index, 'name'], `nothing reaches ${name}: no way leads to it from a gateway`, 'Feed it from a bee that a gateway reaches.')
  }
}

/** Checks settings whose schema says `keysAre: 'inputs'`: each key of such a setting must be a bee that this bee reads. */
function checkInputKeys(spec: unknown, type: BeeTypeInfo | null, inputs: readonly string[], found: (key: string, setting: string) => void): void {
  const { properties = {} } = (type?.spec ?? {}) as { properties?: { readonly [key: string]: { readonly keysAre?: unknown } } }
  for (const [key, { keysAre }] of Object.entries(properties)) {
    const value = (spec as { readonly [key: string]: unknown } | null | undefined)?.[key]
    if (keysAre !== 'inputs' || value === null || typeof value !== 'object') continue
    for (const setting of Object.keys(value)) if (!inputs.includes(setting)) found(key, setting)
  }
}

type Add = (path: Path, message: string, next: string, options?: { readonly key: boolean }) => void

/** The number of mistakes for which a similar name is looked up. */
const maxHinted = 100

/** A batch passes its input on, so the bee before the batch feeds the batch's readers. */
class Feeders {
  readonly #byName: ReadonlyMap<string, GraphBee>
  readonly #known = new Map<GraphBee, GraphBee | null>()

  constructor(byName: ReadonlyMap<string, GraphBee>) {
    this.#byName = byName
  }

  behindBatches(node: GraphBee): GraphBee | null {
    const way = new Set<GraphBee>()
    let at: GraphBee | null = node
    while (at?.role === 'batch' && !this.#known.has(at) && !way.has(at)) {
      way.add(at)
      at = this.#byName.get(at.input?.bees[0] ?? '') ?? null
    }
    const found = at?.role === 'batch' ? (this.#known.get(at) ?? null) : at
    for (const batch of way) this.#known.set(batch, found)
    return found
  }
}

interface GraphBee {
  readonly index: number
  readonly name: string
  readonly type: BeeTypeInfo | null
  readonly role: BeeRole | null
  readonly input: ReturnType<typeof inputOf>
  readonly bee: RawBee
}

function refuseRoles(
  { name: source, role: from }: GraphBee,
  { name: reader, role: to, input }: Pick<GraphBee, 'name' | 'role' | 'input'>,
  add: (message: string, next: string) => void,
): void {
  if (source === reader) return
  if (from === 'sink' || from === 'output') add(`${source} is a sink and gives nothing on`, 'Read what it reads.')
  if (from === 'respond') add(`${source} answers the caller and gives nothing on`, 'Read what it reads.')
  if (from === 'batch' && input?.kind === 'join') add(`${reader} joins, and cannot be fed batches`, `Let ${reader} read what ${source} reads.`)
  else if (from === 'batch' && to !== null && to !== 'call' && to !== 'sink')
    add(`${reader} cannot be fed batches`, `Let ${reader} read what ${source} reads.`)
}

function checkGateways(nodes: readonly GraphBee[], add: Add): void {
  const names = new Map<string, string>()
  for (const { index, name, role, bee } of nodes) {
    if (role !== 'gateway') continue
    // Without a name in its spec, a gateway has the name of its bee.
    const given = (bee.spec as { name?: unknown } | null | undefined)?.name
    const gateway = typeof given === 'string' ? given : name
    const other = names.get(gateway)
    if (other !== undefined)
      add(
        ['bees', index, ...(typeof given === 'string' ? ['spec', 'name'] : ['name'])],
        `${other} has the gateway ${gateway} already`,
        'Give one of the two gateways another name.',
      )
    names.set(gateway, name)
  }
  if (nodes.length > 0 && nodes.every(({ role }) => role !== null && role !== 'gateway'))
    add(['bees'], 'the swarm has no gateway', 'Add a bee of type gateway-input, or kafka-input.', { key: true })
}

/** The spec of a bee; empty if the spec is missing or is no map. */
export function specOf({ spec }: RawBee): { readonly [key: string]: unknown } {
  return spec !== null && typeof spec === 'object' ? (spec as { readonly [key: string]: unknown }) : {}
}

/**
 * Finds every bee on a cycle that no loop or cache bounds. Visits each bee once, and without recursion: a chain of bees may be longer than the call
 * stack.
 */
function checkCycles(nodes: readonly GraphBee[], byName: ReadonlyMap<string, GraphBee>, add: Add): ReadonlySet<string> {
  const cyclic = new Set<string>()
  const done = new Set<GraphBee>()
  for (const root of nodes) {
    if (done.has(root)) continue
    /** The bees from the root to the current bee, each with the index of its next input. */
    const path: { readonly node: GraphBee; input: number }[] = [{ node: root, input: 0 }]
    const places = new Map([[root, 0]])
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      // A loop bounds the rounds of every cycle through it. A cache sends a request round only once.
      const from = top.node.role !== null && returningRoles.has(top.node.role) ? undefined : top.node.input?.bees[top.input++]
      if (from === undefined) {
        path.pop()
        places.delete(top.node)
        done.add(top.node)
        continue
      }
      const source = byName.get(from)
      if (source === undefined || done.has(source)) continue
      const start = places.get(source)
      if (start === undefined) {
        places.set(source, path.length)
        path.push({ node: source, input: 0 })
      } else
        addRing(
          path.slice(start).map(({ node }) => node),
          cyclic,
          add,
        )
    }
  }
  return cyclic
}

/** Adds one mistake for each cycle. Two cycles that share a bee are one mistake. When the first is mended, the check finds the second. */
function addRing(ring: readonly GraphBee[], cyclic: Set<string>, add: Add): void {
  if (ring.every(({ name }) => !cyclic.has(name))) {
    const first = ring.reduce((least, node) => (node.index < least.index ? node : least))
    const names = [...ring, ...ring.slice(0, 1)].map(({ name }) => name).reverse()
    const shown = names.length > maxRing ? [...names.slice(0, maxRing), '…'] : names
    add(
      ['bees', first.index, 'input'],
      `a cycle: ${shown.join(' → ')}`,
      'Take one of these inputs away, or close the cycle with a bee of type loop, which states max_rounds.',
    )
  }
  for (const { name } of ring) cyclic.add(name)
}

const maxRing = 20

/** The bees that a gateway reaches. A bee with a missing or unknown input has its own mistake, and counts as reached. */
function reachedFrom(nodes: readonly GraphBee[]): ReadonlySet<string> {
  const known = new Set(nodes.map(({ name }) => name))
  const readers = new Map<string, string[]>()
  for (const { name, input } of nodes) {
    for (const from of input?.bees ?? []) {
      const others = readers.get(from)
      if (others === undefined) readers.set(from, [name])
      else others.push(name)
    }
  }
  const roots = nodes.filter(({ role, input }) => role === 'gateway' || input === null || input.bees.some((from) => !known.has(from)))
  const reached = new Set(roots.map(({ name }) => name))
  // The iteration also visits names that are added to the set meanwhile.
  for (const name of reached) for (const reader of readers.get(name) ?? []) reached.add(reader)
  return reached
}
