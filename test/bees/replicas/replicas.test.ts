import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Replica, type ReplicaCounts, Replicas } from '../../../bees/replicas/replicas.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

/** A replica that computes one call after the other, each in `callMs`. */
class Worker implements Replica {
  readonly #clock: SimulatedClock
  #last: Promise<void> = Promise.resolve()
  calls = 0
  isReady = true
  isClosed = false

  constructor(clock: SimulatedClock) {
    this.#clock = clock
  }

  work(callMs: number): Promise<void> {
    this.calls++
    this.#last = this.#last.then(() => new Promise((resolve) => this.#clock.after(callMs, resolve)))
    return this.#last
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

async function opened(range: { readonly min: number; readonly max: number }, fails: (number: number) => boolean = () => false) {
  const clock = new SimulatedClock()
  const workers: Worker[] = []
  const lines: string[] = []
  let closed: ReplicaCounts | null = null
  const replicas = await Replicas.open<Worker>({
    bee: 'work',
    range,
    async open() {
      if (fails(workers.length + 1)) throw new Error('no memory')
      const worker = new Worker(clock)
      workers.push(worker)
      return worker
    },
    waited: () => ({ rows: 0, ms: 0 }),
    now: () => clock.now(),
    after: (ms, act) => clock.after(ms, act),
    log: (_, line) => void lines.push(line),
    closed: (counts) => {
      closed = counts
    },
  })
  /** Keeps `clients` calls of 100 ms in flight for `ms`. */
  const load = async (clients: number, ms: number) => {
    const end = clock.now() + ms
    const client = async () => {
      while (clock.now() < end) await replicas.call(1, (worker) => worker.work(100))
    }
    let isDone = clients === 0
    const all = Promise.all(Array.from({ length: clients }, client)).then(() => (isDone = true))
    await clock.until(() => isDone && clock.now() >= end)
    await all
  }
  return { replicas, workers, lines, clock, load, closedWith: () => closed }
}

describe('Replicas', () => {
  it('share the calls: each call goes to the replica with the fewest open calls', async () => {
    const { workers, load } = await opened({ min: 3, max: 3 })
    await load(6, 1000)
    assert.deepEqual(
      workers.map(({ calls }) => calls),
      [11, 11, 11],
    )
  })

  it('alternate if each call ends before the next one begins', async () => {
    const { workers, load } = await opened({ min: 3, max: 3 })
    await load(1, 900)
    assert.deepEqual(
      workers.map(({ calls }) => calls),
      [3, 3, 3],
    )
  })

  it('get no call while they restart, if another replica is ready', async () => {
    const { workers, load } = await opened({ min: 2, max: 2 })
    const [first, second] = workers
    assert.ok(first !== undefined && second !== undefined)
    first.isReady = false
    await load(3, 300)
    assert.deepEqual([first.calls, second.calls > 0], [0, true])
    second.isReady = false
    await load(2, 100)
    assert.equal(first.calls > 0, true)
  })

  it('grow in number under load and shrink without it, with each decision in the log and in the counts', async () => {
    const { replicas, workers, lines, load, closedWith } = await opened({ min: 1, max: 3 })
    await load(24, 20_000)
    assert.equal(replicas.count, 3)
    await load(0, 90_000)
    assert.equal(replicas.count, 1)
    assert.deepEqual(
      workers.map(({ isClosed }) => isClosed),
      [false, true, true],
    )
    assert.match(lines[0] ?? '', /^work gets replica 2: \d+ calls are in flight at a time, and a row waits \d+ ms$/)
    assert.match(lines.at(-1) ?? '', /^work goes on with 1 replicas in place of 2: 0\.0 calls were in flight at a time for 30 s$/)
    const counts = { replicas: 1, changes: { grown: 2, shrunk: 2, takenBack: 0, failed: 0 } }
    assert.deepEqual(replicas.counts, counts)
    await replicas.close()
    assert.deepEqual(closedWith(), counts)
  })

  it('keep working if one more replica cannot be opened', async () => {
    const { replicas, lines, load } = await opened({ min: 1, max: 2 }, (number) => number === 2)
    await load(8, 10_000)
    assert.deepEqual(replicas.counts, { replicas: 1, changes: { grown: 0, shrunk: 0, takenBack: 0, failed: 1 } })
    assert.equal(lines.at(-1), 'work goes on with 1 replicas: one more cannot be opened (no memory)')
    await replicas.close()
  })

  it('do not start if one of the minimum number cannot be opened, and the other replicas are closed', async () => {
    const workers: Worker[] = []
    const clock = new SimulatedClock()
    const opening = Replicas.open<Worker>({
      bee: 'work',
      range: { min: 2, max: 2 },
      async open() {
        workers.push(new Worker(clock))
        if (workers.length === 2) throw new Error('no memory')
        return workers[0] as Worker
      },
      waited: () => ({ rows: 0, ms: 0 }),
      now: () => clock.now(),
      after: (ms, act) => clock.after(ms, act),
      log: () => {},
      closed: () => {},
    })
    await assert.rejects(opening, /no memory/)
    assert.equal(workers[0]?.isClosed, true)
  })

  it('accept no call after they are closed', async () => {
    const { replicas } = await opened({ min: 1, max: 1 })
    await replicas.close()
    await assert.rejects(
      replicas.call(1, (worker) => worker.work(1)),
      { code: 'WAGGLE_BEE_FAILED', message: 'work is closed' },
    )
  })
})
