import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Topology } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { AsyncStep } from '../../../topology/async-step.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read } from '../../support/text-program.ts'

const batchSize = 50

describe('An asynchronous step whose calls return nothing for a while', () => {
  for (const partitions of [4, 64]) {
    it(`leaves small records of ${partitions} partitions in the log, and then gets each record once, in batches`, async () => {
      const { application, sink, advance, close } = await start({ partitions, each: Math.ceil(8000 / partitions), bytes: 16 })
      await advance()
      const { recordsInHand } = application.threads
      assert.ok(recordsInHand >= 4 * batchSize, `${recordsInHand} records are in hand`)
      assert.ok(recordsInHand <= 2 * maxInFlight + 3 * maxBuffered + 2 * partitions, `${recordsInHand} records are in hand`)
      sink.answers()
      for (let step = 0; step < 20 && sink.rows.length < sink.sent; step++) await advance()
      assert.equal(sink.rows.length, sink.sent)
      assert.equal(new Set(sink.rows).size, sink.sent)
      assert.ok(sink.calls <= sink.sent / batchSize + 2 * partitions, `${sink.calls} calls`)
      await close()
    })

    it(`keeps only a bounded number of bytes of large records of ${partitions} partitions in memory`, async () => {
      const bytes = 512 * 1024
      const { application, advance, sink, close } = await start({ partitions, each: Math.ceil(1024 / partitions), bytes })
      await advance()
      const held = application.threads.recordsInHand * bytes
      // A value counts with its own memory and with its bytes in the log. The limit is half of 64 MiB for waiting values, half of 32 MiB for records
      // as read, and a record or two for each task.
      assert.ok(held <= (2 * 32 + 3 * 16) * 1024 * 1024 + 3 * partitions * bytes, `${held} bytes are in hand`)
      sink.answers()
      for (let step = 0; step < 20 && sink.rows.length < sink.sent; step++) await advance()
      assert.equal(new Set(sink.rows).size, sink.sent)
      await close()
    })
  }
})

describe('An asynchronous step whose calls return nothing, beside a working step', () => {
  it('takes none of the working step’s buffer', async () => {
    const world = new SimulatedWorld()
    const log = world.boot()
    await log.createTopics(['stuck', 'quick'].map((name) => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })))
    const quick = new Sink()
    quick.answers()
    const topology = new Topology()
      .addSource('stuck-source', 'stuck', read)
      .addAsync('stuck-step', stepOf(new Sink()), ['stuck-source'])
      .addSource('quick-source', 'quick', read)
      .addAsync('quick-step', stepOf(quick), ['quick-source'])
    const application = new Application({ applicationId: 'app', clock: world.clock, topics: [], log, topology })
    await settled(world, application.start())
    const producer = await log.producer()
    for (const topic of ['stuck', 'quick']) {
      for (let at = 0; at < 400; at++) void producer.send(record(topic, at % 4, `${at}`, Buffer.alloc(512 * 1024, 'x')))
    }
    for (let step = 0; step < 20 && quick.rows.length < 400; step++) await world.clock.advance(2000)
    assert.equal(new Set(quick.rows).size, 400)
    await settled(world, application.close({ timeoutMs: 100 }))
  })
})

const maxInFlight = 4 * batchSize
const maxBuffered = 1000

/** A sink that answers no call until it is released, and then answers every call. */
class Sink {
  readonly rows: string[] = []
  sent = 0
  calls = 0
  readonly #answers = Promise.withResolvers<void>()

  answers(): void {
    this.#answers.resolve()
  }

  async take(keys: readonly string[]): Promise<readonly null[]> {
    await this.#answers.promise
    this.calls++
    this.rows.push(...keys)
    return keys.map(() => null)
  }
}

function stepOf(sink: Sink): AsyncStep<string, string, string, null> {
  return {
    open: async () => ({ call: (_, calls) => sink.take(calls.map(({ key, metadata }) => `${metadata.partition} ${key}`)), close: async () => {} }),
    batch: { size: batchSize, timeoutMs: 500, release: 'full' },
    concurrency: 2,
    counts: 'thread',
    maxInFlight,
    timeoutMs: 2 ** 31 - 1,
    ordered: 'partition',
    retries: 0,
    nameOf: null,
    admit: () => 'call',
    forward() {},
  }
}

async function start({ partitions, each, bytes }: { readonly partitions: number; readonly each: number; readonly bytes: number }) {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics([{ name: 'in', partitions, cleanup: 'delete', retentionMs: null }])
  const sink = new Sink()
  const topology = new Topology().addSource('source', 'in', read).addAsync('step', stepOf(sink), ['source'])
  const application = new Application({ applicationId: 'app', clock: world.clock, topics: [], log, topology, maxBufferedRecords: maxBuffered })
  await settled(world, application.start())
  const producer = await log.producer()
  const value = Buffer.alloc(bytes, 'x')
  for (let at = 0; at < each; at++) {
    for (let partition = 0; partition < partitions; partition++) void producer.send(record('in', partition, `${at}`, value))
  }
  sink.sent = each * partitions
  return {
    application,
    sink,
    advance: () => world.clock.advance(2000),
    close: () => settled(world, application.close({ timeoutMs: 100 })),
  }
}

function record(topic: string, partition: number, key: string, value: Uint8Array) {
  return { topic, partition, key: Buffer.from(key), value, timestamp: 1, headers: [] }
}

async function settled(world: SimulatedWorld, promise: Promise<unknown>): Promise<void> {
  let isDone = false
  const done = () => {
    isDone = true
  }
  void promise.then(done, done)
  await world.clock.until(() => isDone)
}
