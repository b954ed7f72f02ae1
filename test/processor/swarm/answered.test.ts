import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Responded } from '../../../bees/define-bee.ts'
import type { LogTraits } from '../../../processor/ports.ts'
import { type CrashPoint, commitSteps } from '../../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { headerText } from '../../../topology/record.ts'
import { innerCallsHeader } from '../../../topology/swarm/request/headers.ts'
import { type FunctionSwarm, type Functions, newRequest, type Rows, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const logs: { readonly [processing: string]: LogTraits } = {
  embedded: { atomicCommit: true, repeatsRecords: false, handsOn: true },
  exactly_once: { atomicCommit: true, repeatsRecords: true, handsOn: false },
  at_least_once: { atomicCommit: false, repeatsRecords: true, handsOn: false },
}

interface Case {
  readonly name: string
  readonly bees: string
  readonly input?: unknown
  readonly functions: (after: (ms: number) => Promise<void>) => Functions
  readonly answer: unknown
  /** The longest time to the answer. A bee for which the answer must not wait takes longer. */
  readonly withinMs: number
  /** The calls of each function, and the rows that the table has at the end. */
  readonly calls: { readonly [bee: string]: number }
  readonly rows: readonly string[]
}

const chain = `
  - {name: first, type: answering, input: {name: entrance}}
  - {name: second, type: function, input: {name: first}}
  - {name: save, type: rows, input: {name: second}}
  - {name: answer, type: respond, input: {name: second}}`

const joined = `
  - {name: first, type: answering, input: {name: entrance}}
  - {name: slow, type: function, input: {name: entrance}, timeout_seconds: 60}
  - {name: both, type: function, input: {join: [first, slow]}, timeout_seconds: 60}
  - {name: save, type: rows, input: {stack: [first, both]}}
  - {name: answer, type: respond, input: {name: both}}`

const cases: readonly Case[] = [
  {
    name: 'a bee that responds in the middle of a chain answers the request, and the bees and tables behind it skip it',
    bees: chain,
    functions: () => ({ first: () => new Responded('early', null), second: () => 'late' }),
    answer: 'early',
    withinMs: 2000,
    calls: { first: 1, second: 0 },
    rows: [],
  },
  {
    name: 'a bee that responds and publishes answers the request, and the bees and tables behind it go on',
    bees: chain,
    functions: () => ({ first: () => new Responded('early', { value: 7 }), second: (input) => input }),
    answer: 'early',
    withinMs: 2000,
    calls: { first: 1, second: 1 },
    rows: ['second'],
  },
  {
    name: 'a bee that responds before a join answers at once, and the join ends when the other branch has come',
    bees: joined,
    functions: (after) => ({ first: () => new Responded('early', null), slow: () => after(20_000).then(() => 'slow'), both: () => 'late' }),
    answer: 'early',
    withinMs: 5000,
    calls: { first: 1, slow: 1, both: 0 },
    rows: [],
  },
  {
    name: 'a bee that responds and publishes before a join gives the answer, whichever branch comes first',
    bees: joined,
    functions: () => ({ first: () => new Responded('early', { value: 7 }), slow: () => 'slow', both: () => 'late' }),
    answer: 'early',
    withinMs: 2000,
    calls: { first: 1, slow: 1, both: 1 },
    rows: ['first', 'both'],
  },
  {
    name: 'the first of two branches that respond gives the answer',
    bees: `
  - {name: left, type: answering, input: {name: entrance}}
  - {name: right, type: answering, input: {name: entrance}}
  - {name: one, type: merge, input: {stack: [left, right]}}
  - {name: second, type: function, input: {name: one}}
  - {name: answer, type: respond, input: {name: second}}`,
    functions: (after) => ({
      left: () => after(3000).then(() => new Responded('left', null)),
      right: () => new Responded('right', null),
      second: () => 'late',
    }),
    answer: 'right',
    withinMs: 2000,
    calls: { left: 1, right: 1, second: 0 },
    rows: [],
  },
  {
    name: 'a bee that responds in a loop answers the request, and the loop ends',
    bees: `
  - {name: again, type: loop, input: {stack: [entrance, step]}, spec: {while: 'n < \`9\`', body: step, max_rounds: 20}}
  - {name: step, type: answering, input: {name: again}}
  - {name: answer, type: respond, input: {name: again}}`,
    input: { n: 0 },
    functions: () => ({ step: (input) => round(input) }),
    answer: 'found',
    withinMs: 2000,
    calls: { step: 3 },
    rows: [],
  },
  {
    name: 'the last bee of a swarm answers when it responds, even if it also publishes for a table',
    bees: `
  - {name: last, type: answering, input: {name: entrance}}
  - {name: save, type: rows, input: {name: last}}
  - {name: answer, type: respond, input: {name: last}}`,
    functions: () => ({ last: () => new Responded('mine', { value: 'row' }) }),
    answer: 'mine',
    withinMs: 2000,
    calls: { last: 1 },
    rows: ['last'],
  },
  {
    name: 'a bee that only the respond bee reads may respond, and its answer is its result',
    bees: `
  - {name: last, type: answering, input: {name: entrance}}
  - {name: answer, type: respond, input: {name: last}}`,
    functions: () => ({ last: () => new Responded('mine', { value: 'unread' }) }),
    answer: 'mine',
    withinMs: 2000,
    calls: { last: 1 },
    rows: [],
  },
  {
    name: 'a bee that responds and that no bee reads answers the request',
    bees: `
  - {name: beside, type: answering, input: {name: entrance}}
  - {name: slow, type: function, input: {name: entrance}, timeout_seconds: 60}
  - {name: answer, type: respond, input: {name: slow}}`,
    functions: (after) => ({ beside: () => new Responded('early', null), slow: () => after(20_000).then(() => 'late') }),
    answer: 'early',
    withinMs: 5000,
    calls: { beside: 1, slow: 1 },
    rows: [],
  },
]

function round(input: unknown): unknown {
  const n = (input as { readonly n?: number }).n ?? 0
  return n === 2 ? new Responded('found', null) : { n: n + 1 }
}

describe('An answer in the middle of a swarm', () => {
  for (const { name, bees, input = {}, functions, answer, withinMs, calls, rows } of cases)
    for (const [processing, traits] of Object.entries(logs))
      it(`${name}, ${processing}`, async () => {
        const world = new SimulatedWorld({ traits, keepsState: traits.handsOn })
        const counted: { [bee: string]: number } = Object.fromEntries(Object.keys(calls).map((bee) => [bee, 0]))
        const after = (ms: number) => new Promise<void>((resolve) => void world.clock.after(ms, resolve))
        const counting = Object.entries(functions(after)).map(([bee, call]): [string, Functions[string]] => [
          bee,
          (input, request) => {
            counted[bee] = (counted[bee] ?? 0) + 1
            return call(input, request)
          },
        ])
        const saved: Rows = new Map()
        const swarm = await started(world, world.boot(), { bees, functions: Object.fromEntries(counting), rows: saved })
        assert.ok(swarm !== null)
        const begun = world.clock.now()
        let said: unknown
        void swarm.requests.request(newRequest('r', { body: input })).then(({ answer }) => {
          said = answer
        })
        await world.clock.until(() => said !== undefined)
        assert.deepEqual(said, { kind: 'json', json: answer })
        const tookMs = world.clock.now() - begun
        assert.ok(tookMs <= withinMs, `the answer took ${tookMs} ms`)
        await world.clock.advance(40_000)
        assert.deepEqual([counted, new Set([...saved.keys()].map((row) => row.split('/')[0]))], [calls, new Set(rows)])
        assert.deepEqual(recordsOf(world, 'waggle.s.answer', 'r'), [answer])
        assert.deepEqual([swarm.failures, swarm.failedRecords], [[], []])
        await closed(world, swarm)
      })

  it('has no times of a bee before the respond bee, because that bee did not make the answer', async () => {
    const { embedded: traits } = logs
    assert.ok(traits !== undefined)
    const world = new SimulatedWorld({ traits, keepsState: true })
    const bees = `
  - {name: first, type: answering, input: {name: entrance}}
  - {name: beside, type: function, input: {name: entrance}}
  - {name: shown, type: map, input: {join: [first, beside]}, spec: {expression: first}}
  - {name: answer, type: respond, input: {name: shown}}`
    const functions: Functions = { first: (input) => (input === 'early' ? new Responded(input, null) : input), beside: (input) => input }
    const swarm = await started(world, world.boot(), { bees, functions, rows: new Map() })
    assert.ok(swarm !== null)
    for (const id of ['early', 'late']) void swarm.requests.submit(newRequest(id, { body: id }))
    await world.clock.advance(2000)
    await closed(world, swarm)
    const calls = new Map(
      (world.disk.topics.get('waggle.s.answer')?.partitions ?? []).flatMap(({ records }) =>
        records.map(({ key, headers }): [string, string | null] => [
          Buffer.from(key ?? []).toString(),
          /^\w+/.exec(headerText(headers, innerCallsHeader) ?? '')?.[0] ?? null,
        ]),
      ),
    )
    assert.deepEqual([calls.get('early'), calls.get('late')], [null, 'shown'])
  })

  for (const [processing, traits] of Object.entries(logs)) {
    it(`is given to each request with the same input if a bee behind a cache gives it, so its result is not kept, ${processing}`, async () => {
      let calls = 0
      const answers = await answersToTheSame(
        traits,
        `
  - {name: known, type: cache, input: {stack: [entrance, step]}, spec: {body: step, ttl_seconds: 60}}
  - {name: step, type: answering, input: {name: known}}
  - {name: answer, type: respond, input: {name: known}}`,
        { step: () => new Responded(`answer ${++calls}`, { value: 'published' }) },
      )
      assert.deepEqual(answers, [['answer 1'], ['answer 2']])
    })

    it(`leaves a cache behind the answering bee unchanged, ${processing}`, async () => {
      let calls = 0
      const answers = await answersToTheSame(
        traits,
        `
  - {name: first, type: answering, input: {name: entrance}}
  - {name: known, type: cache, input: {stack: [first, step]}, spec: {body: step, ttl_seconds: 60}}
  - {name: step, type: function, input: {name: known}}
  - {name: answer, type: respond, input: {name: known}}`,
        { first: (input) => new Responded('early', { value: input }), step: () => ++calls },
      )
      assert.deepEqual([answers, calls], [[['early'], ['early']], 1])
    })
  }

  for (const [processing, traits] of Object.entries(logs))
    for (const step of traits.atomicCommit ? commitSteps : [...commitSteps, 'torn' as const])
      it(`is the one answer of its request after a crash at ${step}, ${processing}`, async () => {
        const commits = await crashOnce(traits, null)
        assert.ok(commits >= 3, `only ${commits} commits`)
        for (let commit = 0; commit < commits; commit += traits.handsOn ? 2 : 10) await crashOnce(traits, { commit, step })
      })
})

/** Sends three requests. The first bee answers one of them. Returns the number of commits up to the crash, or up to the end if there is no crash. */
async function crashOnce(traits: LogTraits, crash: CrashPoint | null): Promise<number> {
  const world = new SimulatedWorld({ seed: 1 + (crash?.commit ?? 0), traits, keepsState: traits.handsOn })
  const files = new SimulatedStateFiles('p')
  const after10Ms = <T>(value: T) => new Promise<T>((resolve) => void world.clock.after(10, () => resolve(value)))
  let calls = 0
  const functions: Functions = {
    // A bee that is called again may give another answer.
    first: (input) => after10Ms(input === 'b' ? new Responded(`early ${++calls}`, null) : input),
    slow: (input) => after10Ms(input),
    both: () => after10Ms('late'),
  }
  const ids = ['a', 'b', 'c']
  const accepted = new Set<string>()
  const first = world.boot(crash)
  const swarm = await started(world, first, { bees: joined, functions, rows: new Map(), files })
  for (const id of ids) {
    await world.clock.advance(5)
    void swarm?.requests.submit(newRequest(id, { body: id })).then(
      () => accepted.add(id),
      () => {},
    )
  }
  await world.clock.until(() => swarm === null || first.hasCrashed || ids.every((id) => answersOf(world, id).length > 0))
  const before = new Map(ids.map((id) => [id, answersOf(world, id)[0]]))
  if (swarm !== null) await closed(world, swarm, first)
  const again = await started(world, world.boot(), { bees: joined, functions, rows: new Map(), files })
  assert.ok(again !== null)
  await world.clock.until(() => [...accepted].every((id) => answersOf(world, id).length > 0))
  await world.clock.advance(5000)
  for (const id of accepted) {
    const answers = answersOf(world, id)
    assert.match(String(answers[0]), id === 'b' ? /^early \d+$/ : /^late$/)
    assert.equal(answers[0], before.get(id) ?? answers[0])
    assert.deepEqual(new Set(answers).size, 1)
    if (traits.atomicCommit) assert.equal(answers.length, 1)
  }
  assert.deepEqual(again.failures, [])
  await closed(world, again)
  return first.commits
}

/** The answers to two requests with the same input, one after the other. */
async function answersToTheSame(traits: LogTraits, bees: string, functions: Functions): Promise<readonly (readonly unknown[])[]> {
  const world = new SimulatedWorld({ traits, keepsState: traits.handsOn })
  const swarm = await started(world, world.boot(), { bees, functions, rows: new Map() })
  assert.ok(swarm !== null)
  for (const id of ['r1', 'r2']) {
    void swarm.requests.submit(newRequest(id, { body: 'same' }))
    await world.clock.advance(2000)
  }
  await closed(world, swarm)
  return ['r1', 'r2'].map((id) => answersOf(world, id))
}

interface Start {
  readonly bees: string
  readonly functions: Functions
  readonly rows: Rows
  readonly files?: SimulatedStateFiles
}

async function started(
  world: SimulatedWorld,
  log: SimulatedLog,
  { bees, functions, rows, files = new SimulatedStateFiles('p') }: Start,
): Promise<FunctionSwarm | null> {
  const yaml = `name: s\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}${bees}`
  const options = log.traits.handsOn
    ? { commitIntervalMs: 10 }
    : { answerPartitions: 4, commitIntervalMs: 20, states: new SimulatedStateDirectory(files) }
  let swarm: FunctionSwarm | null = null
  startSwarm(world, log, yaml, functions, rows, options).then(
    (started) => {
      swarm = started
    },
    () => {},
  )
  await world.clock.until(() => swarm !== null || log.hasCrashed)
  return swarm
}

function answersOf(world: SimulatedWorld, id: string): readonly unknown[] {
  return recordsOf(world, 'waggle.s.answer', id)
}

function recordsOf(world: SimulatedWorld, topic: string, id: string): readonly unknown[] {
  return (world.disk.topics.get(topic)?.partitions ?? []).flatMap(({ records }) =>
    records.flatMap(({ key, value }) => (Buffer.from(key ?? []).toString() === id ? [JSON.parse(Buffer.from(value ?? []).toString())] : [])),
  )
}

async function closed(world: SimulatedWorld, swarm: FunctionSwarm, log: SimulatedLog | null = null): Promise<void> {
  let isClosed = false
  swarm.close().then(
    () => {
      isClosed = true
    },
    () => {},
  )
  await world.clock.until(() => isClosed || log?.hasCrashed === true)
}
