import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KillingRecordSearch } from '../../../processor/async/killing-record-search.ts'
import { RowBatcher } from '../../../processor/async/row-batcher.ts'
import { CallMeters } from '../../../processor/metrics/call-meters.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import type { AsyncStep, AsyncWorker, BatchPolicy } from '../../../topology/async-step.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'

interface Scene {
  /** The rows in flight at the start of each call. */
  readonly seen: readonly (readonly string[])[]
  readonly outcomes: ReadonlyMap<string, string>
}

/** Runs two steps of one process on all records. The records in `suspects` were in flight at earlier deaths. */
async function scene(
  records: readonly string[],
  suspects: { readonly [record: string]: readonly [all: number, alone: number] },
  {
    dropped = [],
    batch = { size: 4, timeoutMs: 5, release: 'full' },
  }: { readonly dropped?: readonly string[]; readonly batch?: BatchPolicy | null } = {},
): Promise<Scene> {
  const clock = new SimulatedClock()
  const left = new Map(Object.entries(suspects).map(([record, [all, alone]]) => [record, { all, alone }]))
  const killingRecordSearch = new KillingRecordSearch({
    suspects: left,
    begin: (names) => () => {
      for (const name of names) left.delete(name)
    },
    write() {},
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
      batch,
      concurrency: 2,
      counts: 'task',
      maxInFlight: 100,
      ordered: 'partition',
      timeoutMs: 1000,
      retries: 0,
      nameOf: ({ key }) => `${node}/${key}`,
      admit: ({ key }) => (dropped.includes(key) ? 'pass' : 'call'),
      forward() {},
    }
    const batcher = new RowBatcher(step, worker, clock, killingRecordSearch, { isFull: false }, new CallMeters())
    for (const [offset, key] of records.entries()) {
      batcher.add({
        record: { key, value: key, timestamp: 0, headers: [] },
        metadata: { topic: 't', partition: 0, offset: BigInt(offset) },
        done: (outcome) => outcomes.set(`${node}/${key}`, outcome.kind === 'error' ? (outcome.error as WaggleError).code : outcome.kind),
      })
    }
  }
  await clock.until(() => outcomes.size === 2 * records.length)
  return { seen, outcomes }
}

/** Runs a step without batches on all records, and lists the writes of the journal and the calls, in their order. */
async function journalOf(records: readonly string[], concurrency: number): Promise<readonly string[]> {
  const clock = new SimulatedClock()
  const events: string[] = []
  let begun: string[] = []
  const killingRecordSearch = new KillingRecordSearch({
    suspects: new Map(),
    begin: (names) => {
      begun.push(...names)
      return () => {}
    },
    write() {
      events.push(`write ${begun.join(' ')}`)
      begun = []
    },
  })
  const worker: AsyncWorker<string, string, string, string> = {
    async call(rows) {
      events.push(`call ${rows.join(' ')}`)
      return rows
    },
  }
  const step: AsyncStep<string, string, string, string> = {
    open: async () => worker,
    batch: null,
    concurrency,
    counts: 'task',
    maxInFlight: 100,
    ordered: 'partition',
    timeoutMs: 1000,
    retries: 0,
    nameOf: ({ key }) => key,
    admit: () => 'call',
    forward() {},
  }
  const batcher = new RowBatcher(step, worker, clock, killingRecordSearch, { isFull: false }, new CallMeters())
  let left = records.length
  for (const [offset, key] of records.entries()) {
    batcher.add({
      record: { key, value: key, timestamp: 0, headers: [] },
      metadata: { topic: 't', partition: 0, offset: BigInt(offset) },
      done: () => left--,
    })
  }
  await clock.until(() => left === 0)
  return events
}

const records = ['1', '2', '3', '4', '5', '6']

describe('The journal of calls', () => {
  it('has each record before its call begins, and one write for all calls that begin together', async () => {
    const calls = (...of: readonly string[]) => [`write ${of.join(' ')}`, ...of.map((key) => `call ${key}`)]
    assert.deepEqual(await journalOf(records, 4), [...calls('1', '2', '3', '4'), ...calls('5', '6')])
  })
})

describe('Records that were in flight when the process died', () => {
  it('are tried together with all other records after one death', async () => {
    const all = Object.fromEntries(['a', 'b'].flatMap((node) => records.map((key) => [`${node}/${key}`, [1, 0] as const])))
    const [withDeaths, without] = [await scene(records, all), await scene(records, {})]
    assert.deepEqual(withDeaths.seen, without.seen)
  })

  it('are tried in two halves after two deaths, each half together with all other records', async () => {
    const halves = [
      ['a/1', 'a/4', 'b/2'],
      ['a/2', 'b/3', 'b/6'],
    ]
    const { seen, outcomes } = await scene(records, Object.fromEntries(halves.flat().map((record) => [record, [2, 0] as const])))
    for (const flying of seen) {
      const touched = halves.filter((half) => half.some((record) => flying.includes(record)))
      assert.ok(touched.length <= 1, `both halves are in flight: ${flying.join(' ')}`)
    }
    assert.ok(seen.some((flying) => halves.some((half) => flying.filter((record) => half.includes(record)).length > 1)))
    assert.ok(seen.some((flying) => flying.includes('a/1') && flying.some((record) => !halves.flat().includes(record))))
    assert.deepEqual([...outcomes.values()], Array(12).fill('result'))
  })

  it('are tried alone after three deaths, and every record has a result in the end', async () => {
    const { seen, outcomes } = await scene(records, { 'a/2': [3, 0], 'a/3': [3, 2], 'b/6': [5, 0] })
    for (const suspect of ['a/2', 'a/3', 'b/6']) {
      const calls = seen.filter((flying) => flying.includes(suspect))
      assert.deepEqual(calls, [[suspect]])
    }
    assert.ok(seen.some((flying) => flying.length > 4))
    assert.deepEqual(new Set(outcomes.values()), new Set(['result']))
  })

  for (const [deaths, told] of [
    [[3, 3], 'three deaths at which no other record was in flight'],
    [[4, 1], 'four deaths, at the last of which no other record was in flight'],
  ] as const)
    it(`are given up after ${told}`, async () => {
      const { seen, outcomes } = await scene(records, { 'b/4': deaths })
      assert.equal(
        seen.some((flying) => flying.includes('b/4')),
        false,
      )
      assert.equal(outcomes.get('b/4'), 'WAGGLE_KILLS_PROCESS')
      assert.equal([...outcomes.values()].filter((outcome) => outcome === 'result').length, 11)
    })

  for (const deaths of [
    [1, 0],
    [2, 0],
    [3, 0],
  ] as const)
    it(`are tried after ${deaths[0]} deaths, even if the record before them is dropped without a call`, async () => {
      const { outcomes } = await scene(['1', '2'], { 'a/2': deaths }, { dropped: ['1'], batch: null })
      assert.deepEqual([outcomes.get('a/1'), outcomes.get('a/2')], ['passed', 'result'])
    })

  it('are narrowed down to the killing record after at most four deaths, however many records are in flight', async () => {
    for (const size of [1, 2, 3, 8, 64]) {
      for (const killer of new Set([0, Math.floor(size / 2), size - 1])) {
        assert.ok(deathsUntilFound(size, killer) <= 4, `record ${killer} of ${size}`)
      }
    }
  })
})

/** Runs processes that die when record `killer` is in flight. Returns the number of deaths until that record is given up. */
function deathsUntilFound(size: number, killer: number): number {
  const names = Array.from({ length: size }, (_, at) => `${at}`)
  const deaths = new Map<string, { readonly all: number; readonly alone: number }>()
  for (let died = 0; died < 20; died++) {
    const killingRecordSearch = new KillingRecordSearch({ suspects: deaths, begin: () => () => {}, write() {} })
    if (killingRecordSearch.verdict(`${killer}`) !== null) return died
    // All records are in flight that may be in flight together with the killer.
    const isolation = killingRecordSearch.isolationOf(`${killer}`)
    const flying =
      isolation === 'alone'
        ? [`${killer}`]
        : names.filter((name) => ['free', isolation].includes(killingRecordSearch.isolationOf(name)) || isolation === 'free')
    for (const name of flying) {
      const { all, alone } = deaths.get(name) ?? { all: 0, alone: 0 }
      deaths.set(name, { all: all + 1, alone: alone + (flying.length === 1 ? 1 : 0) })
    }
  }
  return Number.POSITIVE_INFINITY
}
