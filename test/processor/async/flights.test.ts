import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flights } from '../../../processor/async/flights.ts'
import { RowBatcher } from '../../../processor/async/row-batcher.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import type { AsyncStep, AsyncWorker } from '../../../topology/async-step.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'

interface Scene {
  /** The rows in flight at the start of each call. */
  readonly seen: readonly (readonly string[])[]
  readonly outcomes: ReadonlyMap<string, string>
}

/** Runs two steps of one process on all records. `suspects` were in flight at a death. */
async function scene(records: readonly string[], suspects: { readonly [record: string]: number }): Promise<Scene> {
  const clock = new SimulatedClock()
  const left = new Map(Object.entries(suspects))
  const flights = new Flights({
    suspects: left,
    begin: (names) => () => {
      for (const name of names) left.delete(name)
    },
  })
  const seen: string[][] = []
  const outcomes = new Map<string, string>()
  const flying = new Set<string>()
  for (const node of ['a', 'b']) {
    const worker: AsyncWorker<string, string, string, string> = {
      async call(rows) {
        for (const row of rows) flying.add(`${node}/${row}`)
        seen.push([...flying])
        await new Promise<void>((resolve) => void clock.after(10, resolve))
        for (const row of rows) flying.delete(`${node}/${row}`)
        return rows
      },
    }
    const step: AsyncStep<string, string, string, string> = {
      open: async () => worker,
      batch: { size: 4, timeoutMs: 5, release: 'full' },
      concurrency: 2,
      counts: 'task',
      maxInFlight: 100,
      ordered: 'partition',
      timeoutMs: 1000,
      retries: 0,
      nameOf: ({ key }) => `${node}/${key}`,
      admit: () => 'call',
      forward() {},
    }
    const batcher = new RowBatcher(step, worker, clock, flights, { isFull: false })
    for (const [offset, key] of records.entries()) {
      batcher.add({
        record: { key, value: key, timestamp: 0, headers: [] },
        metadata: { topic: 't', partition: 0, offset: BigInt(offset) },
        settled: (outcome) => outcomes.set(`${node}/${key}`, outcome.kind === 'error' ? (outcome.error as WaggleError).code : outcome.kind),
      })
    }
  }
  await clock.until(() => outcomes.size === 2 * records.length)
  return { seen, outcomes }
}

const records = ['1', '2', '3', '4', '5', '6']

describe('Records that were in flight when the process died', () => {
  it('are tried again alone, and everything else is done', async () => {
    const { seen, outcomes } = await scene(records, { 'a/2': 0, 'a/3': 2, 'b/6': 1 })
    for (const suspect of ['a/2', 'a/3', 'b/6']) {
      const calls = seen.filter((flying) => flying.includes(suspect))
      assert.deepEqual(calls, [[suspect]])
    }
    assert.ok(seen.some((flying) => flying.length > 4))
    assert.deepEqual(new Set(outcomes.values()), new Set(['result']))
  })

  it('are given up after three deaths in which they were alone in flight', async () => {
    const { seen, outcomes } = await scene(records, { 'b/4': 3 })
    assert.equal(
      seen.some((flying) => flying.includes('b/4')),
      false,
    )
    assert.equal(outcomes.get('b/4'), 'WAGGLE_KILLS_PROCESS')
    assert.equal([...outcomes.values()].filter((outcome) => outcome === 'result').length, 11)
  })
})
