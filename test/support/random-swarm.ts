import fc from 'fast-check'

/** The wish for one bee: its type, its inputs, and its place in the file. */
interface Wish {
  readonly type: keyof typeof specs
  readonly input: 'name' | 'join' | 'stack'
  /** Picks inputs from the earlier bees. Bees without a reader come first, so that low numbers make chains. */
  readonly picks: readonly number[]
  readonly gpu: boolean
  /** Bees are sorted by this number in the file, so a bee may be before its inputs. */
  readonly place: number
}

interface MadeBee {
  readonly name: string
  readonly type: Wish['type']
  /** The type of the bee that produces the output. A batch passes on the output of the bee that it reads. */
  readonly gives: Wish['type']
  readonly inputs: readonly string[]
  readonly yaml: string
  readonly place: number
}

const specs = {
  'gateway-input': '{ name: NAME }',
  'kafka-input': '{ topic: NAME-orders }',
  module: '{ file: ./m.ts }',
  container: '{ image: program }',
  'tf-serving': '{ model: ./m.pb, labels: [yes, no] }',
  batch: '{ batch_size: 2, timeout_seconds: 1 }',
  'weighted-average-ensemble': '{}',
  map: "{ expression: '@' }",
  merge: '{}',
  loop: "{ while: 'x', body: NAME-body, max_rounds: 3 }",
  cache: '{ body: NAME-body, ttl_seconds: 60 }',
  respond: '{}',
  'save-to-database': '{ table: t }',
  'kafka-output': '{ topic: NAME-decisions }',
} as const

const gateways: readonly string[] = ['gateway-input', 'kafka-input']
const calls: readonly string[] = ['module', 'container', 'tf-serving']
const ends: readonly string[] = ['respond', 'save-to-database', 'kafka-output']
const predictors: readonly string[] = ['tf-serving', 'weighted-average-ensemble']

const wish: fc.Arbitrary<Wish> = fc.record({
  type: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(specs) as Wish['type'][])) },
    { weight: 2, arbitrary: fc.constantFrom('gateway-input', 'module', 'module', 'batch', 'weighted-average-ensemble', 'weighted-average-ensemble') },
  ),
  input: fc.constantFrom('name', 'name', 'name', 'name', 'join', 'join', 'stack'),
  picks: fc.array(fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) }), { minLength: 1, maxLength: 3 }),
  gpu: fc.constantFrom(false, false, true),
  place: fc.nat({ max: 99 }),
})

/** The text of a swarm without a mistake: a directed graph of any bees, in any order. The second text has the same bees in another order. */
export const randomSwarm: fc.Arbitrary<readonly [yaml: string, reordered: string]> = fc.array(wish, { maxLength: 14, size: 'max' }).map((wishes) => {
  const bees = [made({ type: 'gateway-input', input: 'name', picks: [], gpu: false, place: 50 }, 'g', [])]
  for (const one of wishes) bees.push(made(one, `b${bees.length}`, bees))
  const text = (order: readonly MadeBee[]) => `name: s\nbees:\n${order.map(({ yaml }) => `${yaml}\n`).join('')}`
  return [text(bees.toSorted((a, b) => a.place - b.place)), text(bees)]
})

/** A bee that is as close to the wish as a swarm without a mistake allows. */
function made({ type: wanted, input: wantedInput, picks, gpu, place }: Wish, name: string, before: readonly MadeBee[]): MadeBee {
  const type = wanted === 'respond' && before.some((bee) => bee.type === 'respond') ? 'kafka-output' : wanted
  const spec = specs[type].replace('NAME', name)
  if (gateways.includes(type)) return { name, type, gives: type, inputs: [], yaml: `- { name: ${name}, type: ${type}, spec: ${spec} }`, place }
  const inputKind = type === 'batch' || isRing(type) ? 'name' : type === 'merge' ? 'stack' : wantedInput
  const mayReadBatch = inputKind !== 'join' && (calls.includes(type) || type === 'save-to-database')
  const feeders = before.filter(
    (bee) => !ends.includes(bee.type) && (bee.type !== 'batch' || mayReadBatch) && (type !== 'tf-serving' || !predictors.includes(bee.gives)),
  )
  const isRead = new Set(before.flatMap(({ inputs }) => inputs))
  const byPick = feeders.toSorted((a, b) => Number(isRead.has(a.name)) - Number(isRead.has(b.name)))
  const chosen = [...new Set(picks.map((pick, at) => byPick[(at + pick) % byPick.length]))].filter((bee) => bee !== undefined)
  const names = chosen.map((bee) => bee.name)
  if (type === 'merge' && names.length < 2) return made({ type: 'map', input: 'name', picks, gpu, place }, name, before)
  if (isRing(type)) return ring(type, name, { from: names[0] ?? 'g', spec, place })
  const kind = inputKind === 'join' && names.length < 2 ? 'name' : inputKind
  const inputs = kind === 'name' ? names.slice(0, 1) : names
  const gives = type === 'batch' ? (chosen[0]?.gives ?? type) : type
  const gpus = gpu && calls.includes(type) ? ', gpu: 1' : ''
  const input = kind === 'name' ? names[0] : `[${names.join(', ')}]`
  return { name, type, gives, inputs, yaml: `- { name: ${name}, type: ${type}, input: { ${kind}: ${input} }, spec: ${spec}${gpus} }`, place }
}

function isRing(type: Wish['type']): type is 'loop' | 'cache' {
  return type === 'loop' || type === 'cache'
}

/** A loop or a cache with one bee in its body. Other bees read the bee after it. */
function ring(
  type: 'loop' | 'cache',
  name: string,
  { from, spec, place }: { readonly from: string; readonly spec: string; readonly place: number },
): MadeBee {
  const bees = [
    `- { name: ${name}, type: ${type}, input: { stack: [${from}, ${name}-body] }, spec: ${spec} }`,
    `- { name: ${name}-body, type: module, input: { name: ${name} }, spec: { file: ./m.ts } }`,
    `- { name: ${name}-out, type: map, input: { name: ${name} }, spec: { expression: '@' } }`,
  ]
  return { name: `${name}-out`, type: 'map', gives: 'map', inputs: [from], yaml: bees.join('\n'), place }
}
