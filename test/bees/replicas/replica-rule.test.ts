import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ReplicaDecision, type ReplicaLoad, ReplicaRule } from '../../../bees/replicas/replica-rule.ts'

/** Applies a load to a rule every half a second. `loadOf` returns the load at a time with this number of replicas. */
class Played {
  readonly #rule: ReplicaRule
  readonly #openMs: number
  readonly decisions: (ReplicaDecision & { readonly atMs: number })[] = []
  replicas: number
  nowMs = 0
  #readyMs: number | null = null

  constructor({ min, max, openMs = 1000 }: { readonly min: number; readonly max: number; readonly openMs?: number }) {
    this.#rule = new ReplicaRule({ min, max })
    this.#openMs = openMs
    this.replicas = min
  }

  run(ms: number, loadOf: (replicas: number, nowMs: number) => Pick<ReplicaLoad, 'callsInFlight' | 'rowsDone' | 'waitedMs'>): this {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += 500
      if (this.#readyMs !== null && this.nowMs >= this.#readyMs) {
        this.#readyMs = null
        this.replicas++
        this.#rule.grown(this.nowMs)
      }
      if (this.#readyMs !== null) continue
      const load = loadOf(this.replicas, this.nowMs)
      const decision = this.#rule.decide({ nowMs: this.nowMs, spanMs: 500, replicas: this.replicas, callsDone: load.rowsDone, ...load })
      if (decision === null) continue
      this.decisions.push({ ...decision, atMs: this.nowMs })
      if (decision.change === 'grow') this.#readyMs = this.nowMs + this.#openMs
      else this.replicas--
    }
    return this
  }

  get changes(): readonly string[] {
    return this.decisions.map(({ change }) => change)
  }
}

/** The load of `clients` clients, each with one open request at all times. Each replica computes 10 rows a second, one after the other. */
const cpuBound = (clients: number) => (replicas: number) => {
  const busy = Math.min(clients, replicas)
  return { callsInFlight: clients, rowsDone: 5 * busy, waitedMs: 0 }
}

const idle = () => ({ callsInFlight: 0, rowsDone: 0, waitedMs: 0 })

describe('The number of replicas', () => {
  it('grows one by one within seconds, up to its maximum, while more replicas help', () => {
    const played = new Played({ min: 1, max: 4 }).run(20_000, cpuBound(32))
    assert.deepEqual(played.changes, ['grow', 'grow', 'grow'])
    assert.equal(played.replicas, 4)
    const [first, second] = played.decisions
    assert.ok((first?.atMs ?? 0) <= 2000)
    assert.match(first?.because ?? '', /^32 calls are in flight at a time, and a row waits 3100 ms$/)
    assert.ok((second?.atMs ?? 0) - (first?.atMs ?? 0) >= 3500, 'the first is measured before the second is asked for')
  })

  it('grows no further than the number of calls in flight', () => {
    assert.equal(new Played({ min: 1, max: 8 }).run(60_000, cpuBound(3)).replicas, 3)
    assert.equal(new Played({ min: 1, max: 8 }).run(60_000, cpuBound(1)).replicas, 1)
  })

  it('stays the same if rows wait only briefly', () => {
    assert.equal(new Played({ min: 1, max: 4 }).run(60_000, () => ({ callsInFlight: 8, rowsDone: 2000, waitedMs: 3 })).replicas, 1)
  })

  it('grows if rows wait in the log, even if the calls are short', () => {
    const played = new Played({ min: 1, max: 2 }).run(10_000, (replicas) => ({ callsInFlight: 8, rowsDone: 2000 * replicas, waitedMs: 4000 }))
    assert.equal(played.replicas, 2)
  })

  it('does not grow for a burst that ends before a second has passed', () => {
    const burst = (_: number, nowMs: number) => (nowMs % 2000 < 500 ? cpuBound(32)(1) : idle())
    assert.deepEqual(new Played({ min: 1, max: 4 }).run(60_000, burst).changes, [])
  })

  it('falls back when a new replica brings no gain, and grows again after a minute, then after two minutes', () => {
    const sharedDatabase = () => ({ callsInFlight: 8, rowsDone: 40, waitedMs: 200 })
    const played = new Played({ min: 1, max: 4 }).run(240_000, sharedDatabase)
    assert.deepEqual(played.changes, ['grow', 'take back', 'grow', 'take back', 'grow', 'take back'])
    assert.match(played.decisions[1]?.because ?? '', /^it does not help: 80 rows\/s with it, 80 without$/)
    const [, back, again, backAgain, third] = played.decisions.map(({ atMs }) => atMs)
    assert.ok((again ?? 0) - (back ?? 0) >= 60_000)
    assert.ok((third ?? 0) - (backAgain ?? 0) >= 120_000)
  })

  it('keeps a replica that shortens the wait even if it does not raise the rate', () => {
    const queue = (replicas: number) => ({ callsInFlight: replicas === 1 ? 9 : 1.6, rowsDone: 45, waitedMs: replicas === 1 ? 300 : 0 })
    assert.deepEqual(new Played({ min: 1, max: 4 }).run(60_000, queue).changes, ['grow'])
  })

  it('shrinks by one each half minute without work, down to its minimum', () => {
    const played = new Played({ min: 1, max: 3 }).run(20_000, cpuBound(32)).run(120_000, idle)
    assert.deepEqual(played.changes, ['grow', 'grow', 'shrink', 'shrink'])
    assert.equal(played.replicas, 1)
    const [, , first, second] = played.decisions.map(({ atMs }) => atMs)
    assert.ok((first ?? 0) >= 50_000 && (second ?? 0) - (first ?? 0) >= 30_000)
  })

  it('does not shrink if calls arrive again within half a minute', () => {
    const waves = (replicas: number, nowMs: number) => (nowMs % 20_000 < 10_000 ? cpuBound(32)(replicas) : idle())
    assert.ok(!new Played({ min: 1, max: 2 }).run(200_000, waves).changes.includes('shrink'))
  })

  it('stays between its minimum and its maximum', () => {
    const played = new Played({ min: 2, max: 3 }).run(600_000, idle)
    assert.deepEqual([played.replicas, played.changes], [2, []])
    assert.equal(played.run(600_000, cpuBound(1000)).replicas, 3)
  })

  it('stays the same for a minute after a replica could not be opened', () => {
    const rule = new ReplicaRule({ min: 1, max: 2 })
    const load = (nowMs: number) => ({ nowMs, spanMs: 500, replicas: 1, callsDone: 5, ...cpuBound(32)(1) })
    const grows = (from: number, to: number) => {
      for (let nowMs = from; nowMs <= to; nowMs += 500) if (rule.decide(load(nowMs))?.change === 'grow') return nowMs
      return null
    }
    assert.equal(grows(500, 5000), 1000)
    rule.notGrown(1000)
    assert.equal(grows(1500, 60_500), null)
    assert.equal(grows(61_000, 70_000), 61_000)
  })
})
