import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, toOut } from '../../support/text-program.ts'

describe('mapAsync, on one thread', () => {
  for (const threads of [1, 2]) {
    it(`has as many calls in flight as \`concurrency\` says in each task, with ${threads} thread${threads === 1 ? '' : 's'}`, async () => {
      const calls = await inFlight({ threads, partitions: 3, concurrency: 2 })
      assert.deepEqual([...calls].sort(), ['0', '0', '1', '1', '2', '2'])
    })
  }

  it('fills a batch from one task', async () => {
    const calls = await inFlight({ threads: 1, partitions: 2, concurrency: 1, batch: 4 })
    assert.deepEqual([...calls].sort(), ['0,0,0,0', '1,1,1,1'])
  })
})

/** The partitions of what is in flight, a call each, when every partition has ten records and no call ends. */
async function inFlight(options: { threads: number; partitions: number; concurrency: number; batch?: number }): Promise<readonly string[]> {
  const { threads, partitions, concurrency, batch } = options
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics(['in', 'out'].map((name) => ({ name, partitions, cleanup: 'delete', retentionMs: null })))
  const calls: string[] = []
  const ends: (() => void)[] = []
  const call = async <T>(name: string, result: T): Promise<T> => {
    calls.push(name)
    await new Promise<void>((resolve) => ends.push(resolve))
    return result
  }
  const builder = new StreamsBuilder()
  const stream = builder.stream('in', read)
  const named = { concurrency, timeoutMs: 600_000 }
  toOut(
    batch === undefined
      ? stream.mapAsync((value) => call(value ?? '', value), named)
      : stream.batch({ size: batch, timeoutMs: 1000, release: 'full' }).mapAsync((values) => call(values.join(), values), named),
  )
  const application = new Application({ applicationId: 'app', clock: world.clock, topics: [], log, topology: builder.build(), threads })
  let isDone = false
  const done = () => {
    isDone = true
  }
  void application.start().then(done)
  await world.clock.until(() => isDone)
  const producer = await log.producer()
  for (let partition = 0; partition < partitions; partition++) {
    const record = { topic: 'in', partition, key: Buffer.from('k'), value: Buffer.from(String(partition)), timestamp: 1, headers: [] }
    for (let count = 0; count < 10; count++) void producer.send(record)
  }
  await world.clock.advance(5000)
  const seen = [...calls]
  isDone = false
  void application.close({ timeoutMs: 100 }).then(done, done)
  for (const end of ends) end()
  await world.clock.until(() => isDone)
  return seen
}
