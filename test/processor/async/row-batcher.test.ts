import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RowBatcher } from '../../../processor/async/row-batcher.ts'
import { CallMeters } from '../../../processor/metrics/call-meters.ts'
import type { Clock } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import type { AsyncStep, AsyncWorker, BatchPolicy, Outcome } from '../../../topology/async-step.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

interface Arrival {
  readonly afterMs: number
  readonly rows: number
}

interface Call {
  readonly rows: readonly string[]
  readonly at: number
  readonly inFlightBefore: number
}

interface Run {
  readonly calls: readonly Call[]
  readonly outcomes: ReadonlyMap<number, Outcome<readonly string[]>>
  readonly arrivedAt: readonly number[]
  readonly meters: CallMeters
}

/**
 * Feeds records of several rows over time. A call takes `callMs`, and returns each row with a mark. `deadlines` maps records to their deadlines, in
 * milliseconds from the start.
 */
async function run(
  arrivals: readonly Arrival[],
  batch: BatchPolicy,
  {
    concurrency = 2,
    callMs = 10,
    fails = () => false,
    deadlines = {},
  }: {
    readonly concurrency?: number
    readonly callMs?: number | ((rows: number) => number)
    readonly fails?: (row: string) => boolean
    readonly deadlines?: { readonly [record: number]: number }
  } = {},
): Promise<Run> {
  const clock = new SimulatedClock()
  const startedAt = clock.now()
  const startedElapsed = clock.elapsedMs()
  const calls: Call[] = []
  const outcomes = new Map<number, Outcome<readonly string[]>>()
  const arrivedAt: number[] = []
  let inFlight = 0
  const worker: AsyncWorker<string, number, string, readonly string[]> = {
    split: (record) => Array.from({ length: arrivals[record]?.rows ?? 0 }, (_, row) => `${record}.${row}`),
    combine: (results) => results.flat(),
    async call(rows) {
      calls.push({ rows, at: clock.elapsedMs() - startedElapsed, inFlightBefore: inFlight })
      inFlight++
      await new Promise<void>((resolve) => void clock.after(typeof callMs === 'number' ? callMs : callMs(rows.length), resolve))
      inFlight--
      return rows.map((row) => (fails(row) ? new WaggleError('WAGGLE_BEE_FAILED', { message: row, next: 'Look.' }) : [`${row}!`]))
    },
  }
  const step: AsyncStep<string, number, string, readonly string[]> = {
    open: async () => worker,
    batch,
    concurrency,
    counts: 'task',
    maxInFlight: 1000,
    ordered: 'partition',
    timeoutMs: 60_000,
    retries: 0,
    nameOf: null,
    admit: () => 'call',
    deadlineOf({ value }) {
      const ms = deadlines[value]
      return ms === undefined ? null : startedAt + ms
    },
    forward() {},
  }
  const meters = new CallMeters()
  const batcher = new RowBatcher(step, worker, clock, null, { isFull: false }, meters)
  for (const [record, { afterMs }] of arrivals.entries()) {
    await clock.advance(afterMs)
    arrivedAt.push(clock.elapsedMs() - startedElapsed)
    batcher.add({
      record: { key: String(record), value: record, timestamp: 0, headers: [] },
      metadata: { topic: 't', partition: 0, offset: BigInt(record) },
      done: (outcome) => outcomes.set(record, outcome),
    })
  }
  await clock.until(() => outcomes.size === arrivals.length)
  return { calls, outcomes, arrivedAt, meters }
}

const arrivalsOf = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 60 }), rows: fc.integer({ min: 1, max: 7 }) }), {
  minLength: 1,
  maxLength: 30,
})
const policyOf = fc.record({
  size: fc.integer({ min: 1, max: 8 }),
  timeoutMs: fc.integer({ min: 0, max: 100 }),
  release: fc.constantFrom('idle' as const, 'full' as const),
})

describe('A row batcher', () => {
  it('never hands over more than batch_size rows', async () => {
    await fc.assert(
      fc.asyncProperty(arrivalsOf, policyOf, async (arrivals, policy) => {
        const { calls } = await run(arrivals, policy)
        for (const { rows } of calls) assert.ok(rows.length <= policy.size)
      }),
      { numRuns: 60 },
    )
  })

  it('returns to each record the results of its own rows, in order, whatever batches the rows were in', async () => {
    await fc.assert(
      fc.asyncProperty(arrivalsOf, policyOf, async (arrivals, policy) => {
        const { outcomes } = await run(arrivals, policy)
        for (const [record, { rows }] of arrivals.entries()) {
          const outcome = outcomes.get(record)
          assert.ok(outcome?.kind === 'result')
          assert.deepEqual(
            outcome.result,
            Array.from({ length: rows }, (_, row) => `${record}.${row}!`),
          )
        }
      }),
      { numRuns: 60 },
    )
  })

  it('never lets a row grow older than timeout_seconds while a call is free', async () => {
    await fc.assert(
      fc.asyncProperty(arrivalsOf, policyOf, async (arrivals, policy) => {
        const { calls, arrivedAt } = await run(arrivals, policy, { concurrency: 1000 })
        for (const { rows, at } of calls)
          for (const row of rows)
            assert.ok(at - (arrivedAt[Number(row.split('.')[0])] ?? 0) <= policy.timeoutMs, `${row} waited longer than ${policy.timeoutMs} ms`)
      }),
      { numRuns: 60 },
    )
  })

  it('sends a batch at once if the bee after it is idle', async () => {
    const { calls, arrivedAt } = await run([{ afterMs: 5, rows: 1 }], { size: 10, timeoutMs: 1000, release: 'idle' })
    assert.equal(calls[0]?.at, arrivedAt[0])
  })

  it('waits for a full batch or the time limit if release is full', async () => {
    const policy = { size: 3, timeoutMs: 50, release: 'full' as const }
    const alone = await run([{ afterMs: 0, rows: 1 }], policy)
    assert.equal((alone.calls[0]?.at ?? 0) - (alone.arrivedAt[0] ?? 0), 50)
    const full = await run(
      [
        { afterMs: 0, rows: 1 },
        { afterMs: 10, rows: 2 },
      ],
      policy,
    )
    assert.equal((full.calls[0]?.at ?? 0) - (full.arrivedAt[1] ?? 0), 0)
    assert.equal(full.calls[0]?.rows.length, 3)
  })

  it('sends a batch in time for the nearest deadline among its rows', async () => {
    const policy = { size: 10, timeoutMs: 10_000, release: 'full' as const }
    const three = Array.from({ length: 3 }, () => ({ afterMs: 10, rows: 1 }))
    const { calls, meters } = await run([{ afterMs: 0, rows: 10 }, ...three], policy, { callMs: 20, deadlines: { 1: 900, 2: 200, 3: 500 } })
    assert.deepEqual([calls.length, calls[1]?.rows.length, meters.sent.deadline], [2, 3, 1])
    const leftAt = calls[1]?.at ?? 0
    assert.ok(leftAt + 20 < 200 && leftAt > 150, `it left at ${leftAt} ms`)
  })

  it('sends a batch earlier before a deadline if earlier calls were slow', async () => {
    const policy = { size: 10, timeoutMs: 10_000, release: 'full' as const }
    const arrivals = [
      { afterMs: 0, rows: 10 },
      { afterMs: 400, rows: 5 },
    ]
    const { calls } = await run(arrivals, policy, { callMs: 300, deadlines: { 1: 2000 } })
    assert.ok((calls[1]?.at ?? 0) <= 1700, `it left at ${calls[1]?.at} ms`)
  })

  for (const [name, msFor, largest] of [
    ['each row costs the same', (rows: number) => 2 * rows, 20],
    ['a call has a fixed cost', (rows: number) => 30 + rows, 10],
    ['all calls take the same time', () => 30, 64],
    ['one row takes longer than the target', (rows: number) => 100 * rows, 1],
  ] as const) {
    it(`finds the largest batch that keeps the target latency if ${name}`, async () => {
      const arrivals = Array.from({ length: 400 }, () => ({ afterMs: 0, rows: 5 }))
      const { calls, meters } = await run(arrivals, { size: 64, timeoutMs: 40, release: 'idle', targetMs: 40 }, { callMs: msFor })
      const late = calls.slice(-20, -2).map(({ rows }) => rows.length)
      assert.ok(
        late.every((rows) => rows >= Math.ceil(largest * 0.9) && rows <= largest),
        late.join(' '),
      )
      assert.equal(meters.batchLimit, largest)
    })
  }

  it('never has more calls in flight than allowed', async () => {
    await fc.assert(
      fc.asyncProperty(arrivalsOf, policyOf, fc.integer({ min: 1, max: 3 }), async (arrivals, policy, concurrency) => {
        const { calls } = await run(arrivals, policy, { concurrency, callMs: 40 })
        for (const { inFlightBefore } of calls) assert.ok(inFlightBefore < concurrency)
      }),
      { numRuns: 30 },
    )
  })

  it('fails only the record whose row failed', async () => {
    const { outcomes } = await run(
      [
        { afterMs: 0, rows: 2 },
        { afterMs: 0, rows: 1 },
      ],
      { size: 8, timeoutMs: 10, release: 'full' },
      { fails: (row) => row === '0.1' },
    )
    assert.equal(outcomes.get(0)?.kind, 'error')
    assert.equal(outcomes.get(1)?.kind, 'result')
  })

  it('leaves no timer behind if it is closed with a call in flight, so that its process can end', async () => {
    const clock = new SimulatedClock()
    const timers = new Set<object>()
    const counted: Clock = {
      now: () => clock.now(),
      elapsedMs: () => clock.elapsedMs(),
      after(ms, callback) {
        const timer = {}
        timers.add(timer)
        const cancel = clock.after(ms, callback)
        return () => {
          timers.delete(timer)
          cancel()
        }
      },
    }
    const begun = Promise.withResolvers<AbortSignal | undefined>()
    const worker: AsyncWorker<string, string, string, string> = {
      split: (value) => [value],
      combine: ([result]) => result ?? '',
      call(_, [call]) {
        begun.resolve(call?.signal)
        return new Promise(() => {})
      },
    }
    const step: AsyncStep<string, string, string, string> = {
      open: async () => worker,
      batch: { size: 1, timeoutMs: 0, release: 'full' },
      concurrency: 1,
      counts: 'task',
      maxInFlight: 10,
      ordered: 'partition',
      timeoutMs: 60_000,
      retries: 0,
      nameOf: null,
      admit: () => 'call',
      forward() {},
    }
    const batcher = new RowBatcher(step, worker, counted, null, { isFull: false }, new CallMeters())
    const record = { key: 'a', value: 'a', timestamp: 0, headers: [] }
    batcher.add({ record, metadata: { topic: 't', partition: 0, offset: 0n }, done: () => assert.fail('it is done') })
    const signal = await begun.promise
    assert.equal(timers.size, 1)
    batcher.close()
    assert.deepEqual([timers.size, signal?.aborted], [0, true])
  })
})

describe('The counts of a batcher', () => {
  const many = Array.from({ length: 5 }, () => ({ afterMs: 0, rows: 1 }))

  it('give the reason for which each batch was sent', async () => {
    const full = await run(many, { size: 2, timeoutMs: 50, release: 'full' })
    assert.deepEqual(full.meters.sent, { full: 2, timeout: 1, deadline: 0, idle: 0, alone: 0 })
    const idle = await run(many.slice(0, 1), { size: 2, timeoutMs: 50, release: 'idle' })
    assert.deepEqual(idle.meters.sent, { full: 0, timeout: 0, deadline: 0, idle: 1, alone: 0 })
  })

  it('include the outcome of each row, and the time of each call', async () => {
    const { meters } = await run(many, { size: 5, timeoutMs: 50, release: 'full' }, { callMs: 20, fails: (row) => row.startsWith('3') })
    assert.deepEqual(meters.rows, { result: 4, refused: 0, failed: 1 })
    assert.equal(meters.sumSeconds, 0.02)
    // The bounds are 1, 2.5, 5, 10, 25, 50 … ms.
    assert.deepEqual(meters.durations.cumulative.slice(0, 6), [0, 0, 0, 0, 1, 1])
  })

  it('include every call and row, however the records arrive', () =>
    fc.assert(
      fc.asyncProperty(
        arrivalsOf,
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('full' as const, 'idle' as const),
        async (arrivals, size, release) => {
          const { calls, meters } = await run(arrivals, { size, timeoutMs: 25, release })
          assert.equal(
            Object.values(meters.sent).reduce((sum, count) => sum + count, 0),
            calls.length,
          )
          assert.equal(
            meters.rows.result,
            calls.reduce((sum, { rows }) => sum + rows.length, 0),
          )
        },
      ),
    ))
})
