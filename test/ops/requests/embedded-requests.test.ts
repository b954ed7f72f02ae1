import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log, Reader, RecordRun } from '../../../processor/ports.ts'
import type { RequestOutcome, Requests } from '../../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { type FunctionSwarm, type FunctionSwarmOptions, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const yaml = `
name: slow
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: work, type: function, input: {name: entrance}}
  - {name: answer, type: respond, input: {name: work}}
`
const workMs = 10_000

interface Scene {
  readonly world: SimulatedWorld
  readonly swarm: FunctionSwarm
  end(): Promise<void>
}

/** One bee that takes ten seconds. `change` replaces the swarm's log. */
async function open(options: FunctionSwarmOptions = {}, change: (log: Log, world: SimulatedWorld) => Log = (log) => log): Promise<Scene> {
  const world = new SimulatedWorld()
  const work = () => new Promise((resolve) => void world.clock.after(workMs, () => resolve('done')))
  const swarm = await startSwarm(world, change(world.boot(), world), yaml, { work }, new Map(), options)
  return {
    world,
    swarm,
    async end() {
      const closed = told(swarm.close())
      await world.clock.until(() => closed.isOver)
    },
  }
}

interface Told<T> {
  readonly isOver: boolean
  readonly value: T | null
  readonly code: string | null
  readonly afterMs: number
}

/** Watches a promise without waiting for it. */
function told<T>(promise: Promise<T>, world?: SimulatedWorld): Told<T> {
  const begin = world?.clock.elapsedMs() ?? 0
  const seen = { isOver: false, value: null as T | null, code: null as string | null, afterMs: 0 }
  const over = () => {
    seen.isOver = true
    seen.afterMs = (world?.clock.elapsedMs() ?? 0) - begin
  }
  promise.then(
    (value) => {
      seen.value = value
      over()
    },
    (error: unknown) => {
      seen.code = error instanceof WaggleError ? error.code : String(error)
      over()
    },
  )
  return seen
}

const keyed = (options: { readonly body?: unknown; readonly bodyHash?: string; readonly deadline?: number } = {}) =>
  newRequest('same', { bodyHash: 'h', ...options })

describe('A second caller that sends the same request a moment later', () => {
  /** Writes of the gateway wait until the test lets them through or makes them fail. */
  function heldWrites() {
    const write = Promise.withResolvers<void>()
    write.promise.catch(() => {})
    const change = (log: Log) =>
      changed(log, {
        producer: async () => {
          const producer = await log.producer()
          return changed(producer, {
            send: async (record, options) => {
              const sent = await producer.send(record, options)
              await write.promise
              return sent
            },
          })
        },
      })
    return { write, change }
  }

  const calls: readonly { readonly what: string; readonly call: (requests: Requests) => Promise<unknown> }[] = [
    { what: '202 from submit', call: (requests) => requests.submit(keyed()) },
    { what: '422 from submit with another body', call: (requests) => requests.submit(keyed({ bodyHash: 'other' })) },
    { what: '422 from request with another body', call: (requests) => requests.request(keyed({ bodyHash: 'other' })) },
    { what: 'state by the id', call: (requests) => requests.find('same') },
  ]
  for (const first of ['submit', 'request'] as const) {
    for (const { what, call } of calls) {
      it(`gets no ${what} before the input of the first ${first} is durable`, async () => {
        const { write, change } = heldWrites()
        const { world, swarm, end } = await open({}, change)
        const mine = told(swarm.requests[first](keyed()))
        const theirs = told(call(swarm.requests))
        await world.clock.advance(2000)
        assert.equal(theirs.isOver, false)
        write.resolve()
        await world.clock.until(() => theirs.isOver)
        await world.clock.until(() => mine.isOver)
        await end()
      })

      it(`gets the write error instead of a ${what} if the write of the first ${first} fails`, async () => {
        const { write, change } = heldWrites()
        const { world, swarm, end } = await open({}, change)
        const mine = told(swarm.requests[first](keyed()))
        const theirs = told(call(swarm.requests))
        await world.clock.advance(100)
        write.reject(new WaggleError('WAGGLE_DISK_FULL', { message: 'There is no room', next: 'Make room.' }))
        await world.clock.until(() => theirs.isOver && mine.isOver)
        assert.deepEqual([mine.code, theirs.code], ['WAGGLE_DISK_FULL', 'WAGGLE_DISK_FULL'])
        await end()
      })
    }
  }

  it('gets a result only after the request’s ledger row is on disk, or the write error if the write fails', async () => {
    let disk = Promise.resolve()
    const { world, swarm, end } = await open({}, (log) => changed(log, { durable: () => disk }))
    const answered = told(swarm.requests.request(keyed()))
    await world.clock.until(() => answered.isOver)
    const sync = Promise.withResolvers<void>()
    disk = sync.promise
    const waiting = [told(swarm.requests.request(keyed())), told(swarm.requests.submit(keyed())), told(swarm.requests.find('same'))]
    await world.clock.advance(2000)
    assert.deepEqual(
      waiting.map(({ isOver }) => isOver),
      [false, false, false],
    )
    sync.reject(new WaggleError('WAGGLE_DISK_FULL', { message: 'There is no room', next: 'Make room.' }))
    await world.clock.until(() => waiting.every(({ isOver }) => isOver))
    assert.deepEqual(
      waiting.map(({ code }) => code),
      ['WAGGLE_DISK_FULL', 'WAGGLE_DISK_FULL', 'WAGGLE_DISK_FULL'],
    )
    disk = Promise.resolve()
    await end()
  })
})

it('A request that was accepted before a restart is pending right after the restart, and an unknown request is not', async () => {
  const world = new SimulatedWorld()
  const work = () => new Promise((resolve) => void world.clock.after(60_000, () => resolve('done')))
  const ids = Array.from({ length: 6 }, (_, at) => `before-${at}`)
  const first = await startSwarm(world, world.boot(), yaml, { work }, new Map())
  const sent = told(Promise.all(ids.map((id) => first.requests.submit(newRequest(id)))))
  await world.clock.until(() => sent.isOver)
  const stopped = told(first.close())
  await world.clock.until(() => stopped.isOver)
  // The ledger reads no record before the clock moves on.
  const again = await startSwarm(world, world.boot(), yaml, { work }, new Map())
  const found = told(Promise.all([...ids, 'nobody'].map((id) => again.requests.find(id))))
  await world.clock.until(() => found.isOver)
  assert.deepEqual(found.code, null)
  assert.deepEqual(
    found.value?.map((one) => one?.state ?? 'unknown'),
    [...ids.map(() => 'pending'), 'unknown'],
  )
  const closed = told(again.close())
  await world.clock.until(() => closed.isOver)
})

it('An answer arrives even if its reader failed for a moment, and the gateway meanwhile refuses requests with the reason', async () => {
  const failing = Promise.withResolvers<void>()
  let reads = 0
  const { world, swarm, end } = await open({}, (log) =>
    changed(log, {
      read: (options) => {
        reads++
        return reads > 2 ? log.read(options) : changed<Reader>(log.read(options), { [Symbol.asyncIterator]: () => failingRuns(failing.promise) })
      },
    }),
  )
  const asked = told<RequestOutcome>(swarm.requests.request(keyed()))
  failing.resolve()
  await world.clock.until(() => swarm.requests.refusal('door') !== null)
  assert.match(swarm.requests.refusal('door')?.reason ?? '', /EMFILE/)
  await world.clock.until(() => asked.isOver)
  assert.equal(asked.value?.state, 'answered')
  assert.equal(swarm.requests.refusal('door'), null)
  await end()
})

async function* failingRuns(fails: Promise<void>): AsyncGenerator<RecordRun> {
  await fails
  yield* [] as RecordRun[]
  throw new Error('EMFILE: too many open files')
}

for (const { where, options } of [
  { where: 'In one process', options: {} },
  { where: 'On a cluster', options: { answerPartitions: 8 } },
]) {
  describe(`${where}, callers that wait for the same request,`, () => {
    const answer = { id: 'same', state: 'answered', answer: { kind: 'json', json: 'done' } } as const

    it('have separate deadlines: the shorter deadline of a retry ends only the retry, to the millisecond', async () => {
      const { world, swarm, end } = await open(options)
      const first = told<RequestOutcome>(swarm.requests.request(keyed({ deadline: world.clock.now() + 30_000 })), world)
      await world.clock.advance(1000)
      const short = told(swarm.requests.request(keyed({ deadline: world.clock.now() + 500 })), world)
      const patient = told<RequestOutcome>(swarm.requests.request(keyed({ deadline: world.clock.now() + 40_000 })), world)
      const unlimited = told<RequestOutcome>(swarm.requests.request(keyed()), world)
      await world.clock.until(() => short.isOver)
      assert.deepEqual([short.code, short.afterMs], ['WAGGLE_NO_OUTCOME', 500])
      await world.clock.until(() => first.isOver && patient.isOver && unlimited.isOver)
      for (const { value } of [first, patient, unlimited]) assert.deepEqual(value, answer)
      assert.ok(first.afterMs >= workMs && first.afterMs < workMs + 1000, `${first.afterMs}`)
      await end()
    })

    it('get the stored 504 at the deadline of the first request, even if the retry would wait longer', async () => {
      const { world, swarm, end } = await open(options)
      const first = told<RequestOutcome>(swarm.requests.request(keyed({ deadline: world.clock.now() + 2000 })), world)
      await world.clock.advance(1000)
      const longer = told<RequestOutcome>(swarm.requests.request(keyed({ deadline: world.clock.now() + 30_000 })), world)
      await world.clock.until(() => first.isOver && longer.isOver)
      for (const { value } of [first, longer]) assert.ok(value?.answer.kind === 'error' && value.answer.error.code === 'WAGGLE_DEADLINE')
      assert.ok(first.afterMs < 2500 && longer.afterMs < 1500, `${first.afterMs}, ${longer.afterMs}`)
      await end()
    })

    it('get the answer even if they return after their deadline', async () => {
      const { world, swarm, end } = await open(options)
      const submitted = told(swarm.requests.submit(keyed()))
      await world.clock.until(() => submitted.isOver)
      const short = told(swarm.requests.request(keyed({ deadline: world.clock.now() + 500 })), world)
      await world.clock.until(() => short.isOver)
      assert.equal(short.code, 'WAGGLE_NO_OUTCOME')
      assert.ok(short.afterMs <= 1000, `${short.afterMs}`)
      const again = told<RequestOutcome>(swarm.requests.request(keyed({ deadline: world.clock.now() + 30_000 })))
      await world.clock.until(() => again.isOver)
      assert.deepEqual(again.value, answer)
      await end()
    })
  })
}
