import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type CrashPoint, commitSteps } from '../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { payloadHeaders, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import type { PredictionRow } from '../../topology/swarm/ports/database.ts'
import type { FoundRequest } from '../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, type Functions, newRequest, startSwarm } from '../support/function-swarm.ts'
import { type HostileBody, hostileBody, hostileOutput } from '../support/hostile-values.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

/**
 * Every kind of step: a call, a batch, a join into a value and into a call, a stack, a sink, an answer. One bee has the name of a member that every
 * object has.
 */
const yaml = `
name: three
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: prepare, type: function, input: {name: entrance}}
  - {name: batching, type: batch, input: {name: prepare}, spec: {batch_size: 4, timeout_seconds: 0.02}}
  - {name: constructor, type: function, input: {name: batching}}
  - {name: b, type: function, input: {name: batching}}
  - {name: together, type: weighted-average-ensemble, input: {join: [constructor, b]}, timeout_seconds: 20}
  - {name: answer, type: respond, input: {name: together}}
  - {name: joined, type: function, input: {join: [constructor, b]}, timeout_seconds: 20}
  - {name: save, type: save-to-database, input: {stack: [constructor, b, joined]}, spec: {table: rows}}
`

/** The content of one hostile request, and the bees' reaction to it. The bees answer every other request normally. */
interface Attack {
  readonly request: HostileBody
  readonly at: 'nowhere' | 'prepare' | 'constructor' | 'b' | 'joined'
  readonly output: () => unknown
  /** True if the bees change their input, as they do for any other request. */
  readonly mutates: boolean
}

const attack: fc.Arbitrary<Attack> = fc.record({
  request: fc.oneof(
    { weight: 1, arbitrary: hostileBody },
    { weight: 1, arbitrary: fc.constant({ body: Buffer.from('{"a":1}'), contentType: 'application/json' }) },
  ),
  at: fc.constantFrom('nowhere', 'prepare', 'constructor', 'b', 'joined'),
  output: hostileOutput,
  mutates: fc.boolean(),
})
const crash: fc.Arbitrary<CrashPoint | null> = fc.option(fc.record({ commit: fc.nat(4), step: fc.constantFrom(...commitSteps) }))

const neighbours = ['before', 'after']

/** `WAGGLE_HOSTILE_SECONDS=60 node --test` runs for this long, and prints the number of histories. */
const seconds = Number(process.env.WAGGLE_HOSTILE_SECONDS ?? '0')
const extent = seconds > 0 ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000, seed: Date.now() } : { numRuns: 60 }

describe('A hostile value', () => {
  it('gets an outcome, wherever it comes from and even after a crash, and the requests beside it are unaffected', async (t) => {
    const undisturbed = await holds([], null, 1)
    let histories = 0
    await fc.assert(
      fc.asyncProperty(fc.array(attack, { minLength: 1, maxLength: 12 }), crash, fc.nat(), async (attacks, point, seed) => {
        histories++
        const outcomes = await holds(attacks, point, seed)
        for (const [id, { answer, afterMs }] of undisturbed) {
          assert.deepEqual(outcomes.get(id)?.answer, answer)
          const lateMs = (outcomes.get(id)?.afterMs ?? Number.POSITIVE_INFINITY) - afterMs
          if (point === null) assert.ok(lateMs < 1000, `${id} was ${lateMs} ms later than without a hostile value`)
        }
      }),
      extent,
    )
    t.diagnostic(`${histories} histories`)
  })
})

/** For each neighbour, by id: the answer, and the simulated time from the last start of the process to that answer. */
type Outcomes = ReadonlyMap<string, { readonly answer: unknown; readonly afterMs: number }>

async function holds(attacks: readonly Attack[], point: CrashPoint | null, seed: number): Promise<Outcomes> {
  const world = new SimulatedWorld({ seed })
  const rows: PredictionRow[] = []
  const accepted = new Set<string>()
  if (point !== null) {
    const log = world.boot(point)
    await live(world, log, attacks, rows, accepted, false)
  }
  return live(world, world.boot(), attacks, rows, accepted, true)
}

async function live(
  world: SimulatedWorld,
  log: SimulatedLog,
  attacks: readonly Attack[],
  rows: PredictionRow[],
  accepted: Set<string>,
  isLast: boolean,
): Promise<Outcomes> {
  const startedAt = world.clock.now()
  const settledAfter = new Map<string, number>()
  const swarm = await startSwarm(world, log, yaml, functions(attacks), new Map(), {
    database: {
      async openTable() {
        return {
          insert: async (block) =>
            void rows.push(
              ...block.map(
                (row) => JSON.parse(JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) as PredictionRow,
              ),
            ),
          close: async () => {},
        }
      },
    },
  })
  const ids = ['before', ...attacks.keys().map(String), 'after']
  for (const id of ids) {
    const request = { ...newRequest(id, { body: { a: 1 } }), ...attacks[Number(id)]?.request }
    void swarm.requests.submit(request).then(
      () => accepted.add(id),
      () => {},
    )
  }
  let finished = false
  await world.clock.until(() => {
    for (const id of neighbours) {
      if (!settledAfter.has(id) && !log.hasCrashed && isSettled(swarm, id)) settledAfter.set(id, world.clock.now() - startedAt)
    }
    finished = accepted.size === ids.length && [...accepted].every((id) => isSettled(swarm, id))
    return finished || log.hasCrashed
  })
  const outcomes = new Map<string, { readonly answer: unknown; readonly afterMs: number }>()
  if (isLast) {
    await world.clock.advance(2_000)
    await outcomesAreRight(swarm, world, attacks, rows)
    for (const [id, afterMs] of settledAfter) outcomes.set(id, { answer: (await swarm.requests.find(id))?.answer, afterMs })
  }
  let isClosed = false
  swarm.close().then(
    () => {
      isClosed = true
    },
    () => {
      isClosed = true
    },
  )
  await world.clock.until(() => isClosed || log.hasCrashed)
  return outcomes
}

async function outcomesAreRight(
  swarm: FunctionSwarm,
  world: SimulatedWorld,
  attacks: readonly Attack[],
  rows: readonly PredictionRow[],
): Promise<void> {
  assert.deepEqual(swarm.failures, [])
  for (const id of neighbours) {
    const found = await swarm.requests.find(id)
    assert.equal(found?.state, 'answered', `${id}: ${JSON.stringify(found?.answer)}`)
    assert.ok(found.answer?.kind === 'json')
    const { label } = found.answer.json as { label?: unknown }
    assert.equal(label, 'constructor')
    assert.deepEqual(
      new Set(rows.filter((row) => row.request_id === id).map(({ bee, score }) => `${bee} ${score}`)),
      new Set(['constructor 0.75', 'b 0.75', 'joined 0.75']),
    )
  }
  const letters = new Set(lettersOf(world))
  for (const id of attacks.keys().map(String)) {
    const found = await swarm.requests.find(id)
    assert.ok(found !== null && found.state !== 'pending')
    isTheSameReadAgain(found)
    if (found.answer?.kind !== 'error') continue
    assert.ok([400, 422, 502].includes(found.answer.error.status), JSON.stringify(found.answer.error))
    if (found.answer.error.status === 502) assert.ok(letters.has(id), `${id} is no dead letter`)
  }
  for (const row of rows) for (const score of [row.score, ...Object.values(row.scores)]) assert.ok(Number.isFinite(score))
}

function isTheSameReadAgain({ answer }: FoundRequest): void {
  assert.ok(answer !== null)
  const bytes = payloadSerde.serialize('topic', answer)
  const again = payloadSerde.deserialize('topic', bytes, payloadHeaders(answer))
  assert.equal(again.kind, answer.kind)
  if (again.kind === 'json' && answer.kind === 'json') assert.deepEqual(again.json, answer.json)
}

function lettersOf(world: SimulatedWorld): readonly string[] {
  const { partitions = [] } = world.disk.topics.get('waggle.three.dead-letters') ?? {}
  return partitions.flatMap(({ records }) => records.map(({ key }) => Buffer.from(key ?? []).toString()))
}

function isSettled(swarm: FunctionSwarm, id: string): boolean {
  const entry = swarm.application.stores.committed<string, { readonly state: string }>('requests', id)
  return entry !== null && entry.state !== 'pending'
}

function functions(attacks: readonly Attack[]): Functions {
  const bee =
    (name: string, result: (input: unknown) => unknown): Functions[string] =>
    (input, { id }) => {
      const attack = attacks[Number(id)]
      const made = attack?.at === name ? attack.output() : result(input)
      if (attack?.mutates !== false) spoil(input)
      return made
    }
  const predict = (input: unknown): unknown => ({
    label: 'constructor',
    scores: Object.fromEntries([
      ['constructor', isIntact(input) ? 0.75 : 0],
      ['__proto__', 0.25],
    ]),
  })
  return {
    prepare: bee('prepare', (input) => structuredClone(input)),
    constructor: bee('constructor', predict),
    b: bee('b', predict),
    joined: bee('joined', (input) => predict(sawBoth(input) ? { a: 1 } : null)),
  }
}

/** True if both joined bees gave the result that they give to a neighbour. */
function sawBoth(input: unknown): boolean {
  const joined = new Map(Object.entries(JSON.parse(JSON.stringify(input)) as { readonly [bee: string]: { readonly label?: unknown } }))
  return joined.get('constructor')?.label === 'constructor' && joined.get('b')?.label === 'constructor'
}

/** True if the input is unchanged since its sender wrote it. */
function isIntact(input: unknown): boolean {
  return typeof input === 'object' && input !== null && 'a' in input && input.a === 1
}

function spoil(input: unknown): void {
  if (input instanceof Uint8Array) input.fill(7)
  else if (typeof input === 'object' && input !== null) for (const name of Object.keys(input)) Reflect.deleteProperty(input, name)
}
