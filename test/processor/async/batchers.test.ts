import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StreamsBuilder } from 'waggle-streams'
import type { BeeRequest } from '../../../bees/define-bee.ts'
import { Application } from '../../../processor/application/application.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { headerText } from '../../../topology/record.ts'
import { batchSizeHeader } from '../../../topology/swarm/request/headers.ts'
import { newRequest, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, toOut } from '../../support/text-program.ts'

describe('mapAsync', () => {
  for (const threads of [1, 2]) {
    it(`has \`concurrency\` calls in flight for each task, with ${threads} thread${threads === 1 ? '' : 's'}`, async () => {
      const calls = await inFlight({ threads, partitions: 3, concurrency: 2 })
      assert.deepEqual([...calls].sort(), ['0', '0', '1', '1', '2', '2'])
    })
  }

  it('fills a batch with rows of one task', async () => {
    const calls = await inFlight({ threads: 1, partitions: 2, concurrency: 1, batch: 4 })
    assert.deepEqual([...calls].sort(), ['0,0,0,0', '1,1,1,1'])
  })
})

describe('A bee behind a batch', () => {
  it('gets one batch with a row of every task if no task has enough rows for a batch', async () => {
    const world = new SimulatedWorld()
    const seen: { readonly partition: number; readonly atMs: number }[] = []
    const model = (_: unknown, { source }: BeeRequest) => seen.push({ partition: source.partition, atMs: world.clock.elapsedMs() })
    const swarm = await startSwarm(world, world.boot(), batchOfFour, { model }, new Map(), { partitions: 4 })
    for (const id of idsByPartition(4)) void swarm.requests.submit(newRequest(id))
    // The time is far below the batch's time limit, so only a full batch is sent.
    await world.clock.advance(5000)
    assert.deepEqual(seen.map(({ partition }) => partition).sort(), [0, 1, 2, 3])
    assert.equal(new Set(seen.map(({ atMs }) => atMs)).size, 1)
    assert.deepEqual(batchSizes(world, 'waggle.rows.model'), ['4', '4', '4', '4'])
    assert.deepEqual(swarm.failures, [])
    let isClosed = false
    void swarm.close().then(() => {
      isClosed = true
    })
    await world.clock.until(() => isClosed)
  })
})

describe('A bee that reads two batches', () => {
  for (const order of ['small, large', 'large, small']) {
    it(`uses the smaller size and the shorter timeout of the two if its input is the stack [${order}]`, async () => {
      const world = new SimulatedWorld()
      const yaml = `
name: rows
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: small, type: batch, input: {name: entrance}, spec: {batch_size: 2, timeout_seconds: 3600, release: full}}
  - {name: large, type: batch, input: {name: entrance}, spec: {batch_size: 4, timeout_seconds: 1, release: full}}
  - {name: model, type: function, input: {stack: [${order}]}}
`
      const swarm = await startSwarm(world, world.boot(), yaml, { model: () => 'seen' }, new Map(), { partitions: 4 })
      const ids = idsByPartition(4)
      for (const id of ids.slice(0, 3)) void swarm.requests.submit(newRequest(id))
      // The first two rows fill the smaller batch, and the third row waits no longer than its own limit.
      await world.clock.advance(5000)
      assert.deepEqual([...batchSizes(world, 'waggle.rows.model')].sort(), ['1', '2', '2'])
      let isClosed = false
      void swarm.close().then(() => {
        isClosed = true
      })
      await world.clock.until(() => isClosed)
    })
  }
})

const batchOfFour = `
name: rows
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: batching, type: batch, input: {name: entrance}, spec: {batch_size: 4, timeout_seconds: 3600, release: full}}
  - {name: model, type: function, input: {name: batching}}
`

/** One request id for each partition. */
function idsByPartition(partitions: number): readonly string[] {
  const ids = new Map<number, string>()
  for (let at = 0; ids.size < partitions; at++) ids.set(partitionForKey(Buffer.from(`id-${at}`), partitions), `id-${at}`)
  return [...ids.values()]
}

/** The size of the batch that each record of a topic was made in. */
function batchSizes(world: SimulatedWorld, topic: string): readonly (string | null)[] {
  const records = world.disk.topics.get(topic)?.partitions.flatMap((partition) => partition.records) ?? []
  return records.map(({ headers }) => headerText(headers, batchSizeHeader))
}

/** The partitions of the calls in flight, if every partition has ten records and no call ends. */
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
