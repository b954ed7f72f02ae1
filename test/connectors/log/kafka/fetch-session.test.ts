import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Lane } from '../../../../connectors/log/kafka/connections.ts'
import { Connections, type RawRequest } from '../../../../connectors/log/kafka/connections.ts'
import { FetchSession } from '../../../../connectors/log/kafka/fetch-session.ts'
import { FetchedPartition } from '../../../../connectors/log/kafka/fetched-partition.ts'
import { openLogOn } from '../../../../connectors/log/kafka/kafka-log.ts'
import { PlatformaticClient } from '../../../../connectors/log/kafka/platformatic-client.ts'
import { type Consumer, partitionName } from '../../../../processor/ports.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record } from '../../../support/kafka-log.ts'

const partitions = 200

describe('A fetch session', () => {
  const session = () => new FetchSession({ host: 'broker', port: 1 }, { name: 'lane', requestTimeoutMs: 1 })
  const at = (partition: number, offset: number) => {
    const fetched = new FetchedPartition('in', partition)
    fetched.seek(offset)
    return fetched
  }

  it('asks for all its partitions once, and then for those that have moved', () => {
    const one = session()
    const [still, moving] = [at(0, 5), at(1, 7)]
    for (const partition of [still, moving]) one.join(partition)
    assert.deepEqual(one.take(), {
      session: 0,
      epoch: 0,
      asks: [
        { topic: 'in', partition: 0, offset: 5 },
        { topic: 'in', partition: 1, offset: 7 },
      ],
      forgotten: [],
    })
    one.answered(42)
    moving.seek(8)
    for (const partition of [still, moving]) one.moved(partition)
    assert.deepEqual(one.take(), { session: 42, epoch: 1, asks: [{ topic: 'in', partition: 1, offset: 8 }], forgotten: [] })
    one.answered(42)
    assert.deepEqual(one.take(), { session: 42, epoch: 2, asks: [], forgotten: [] })
  })

  it('names a partition that has left once, and begins anew if it joins again before that', () => {
    const one = session()
    const [kept, gone] = [at(0, 0), at(1, 0)]
    for (const partition of [kept, gone]) one.join(partition)
    one.take()
    one.answered(42)
    one.leave(gone)
    assert.equal(one.holder(partitionName({ topic: 'in', partition: 1 })), null)
    assert.deepEqual(one.take().forgotten, [{ topic: 'in', partition: 1 }])
    one.answered(42)
    assert.deepEqual(one.take().forgotten, [])
    one.answered(42)
    one.leave(kept)
    one.join(kept)
    assert.deepEqual(one.take(), { session: 42, epoch: 0, asks: [{ topic: 'in', partition: 0, offset: 0 }], forgotten: [] })
  })

  it('asks for all its partitions each time at a broker that keeps no session, and after the broker has lost it', () => {
    const one = session()
    one.join(at(0, 0))
    for (const id of [0, 0, 42]) {
      const { epoch, asks } = one.take()
      assert.deepEqual([epoch, asks.length], [0, 1])
      one.answered(id)
    }
    assert.equal(one.take().asks.length, 0)
    one.restart()
    assert.deepEqual([one.take().epoch, one.take().asks.length], [0, 1])
  })
})

describeWithKafka('A consumer of many quiet partitions', {}, (cluster) => {
  it('sends and receives no more for a record than the partition of the record needs', { timeout: 60_000 }, async () => {
    const topic = newName('topic')
    const client = new Counting()
    const log = await openLogOn(client, { ...quickOptions(cluster()), processing: 'at_least_once', transactions: null })
    try {
      await log.createTopics([{ name: topic, partitions, cleanup: 'delete', retentionMs: null }])
      const consumer = await log.subscribe({ ...reading, group: newName('group'), topics: [topic] })
      const producer = await log.producer()
      for (let partition = 0; partition < partitions; partition++) await producer.send(record(topic, partition, 'first'))
      await polled(consumer, partitions)
      const before = client.fetchedBytes
      const records = 20
      for (let at = 0; at < records; at++) {
        await producer.send(record(topic, 7, `${at}`))
        await polled(consumer, 1)
      }
      const aRecord = (client.fetchedBytes - before) / records
      assert.ok(aRecord < 3000, `${aRecord} bytes of requests and answers for a record; a request for all partitions has ${client.largestRequest}`)
      assert.ok(client.largestRequest > 4000)
      await consumer.close()
    } finally {
      await log.close()
    }
  })
})

const reading = { isolation: 'committed', offsetReset: 'earliest', listener: { assigned() {}, revoked() {}, lost() {} } } as const

async function polled(consumer: Consumer, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    for (const { records } of await consumer.poll({ maxRecords: 1000, maxWaitMs: 1000 })) left -= records.length
  }
}

/** A client that counts the bytes of fetch requests and their answers. */
class Counting extends PlatformaticClient {
  fetchedBytes = 0
  largestRequest = 0

  constructor() {
    super(new Connections({ clientId: 'waggle-test' }))
  }

  override raw<A>(
    at: { readonly lane: Lane; readonly broker: { readonly host: string; readonly port: number } },
    request: RawRequest<A>,
  ): Promise<A> {
    if (request.key !== 1) return super.raw(at, request)
    const bytes = request.payload.reduce((sum, { length }) => sum + length, 0)
    this.fetchedBytes += bytes
    this.largestRequest = Math.max(this.largestRequest, bytes)
    const parse = (answer: Buffer): A => {
      this.fetchedBytes += answer.length
      return request.parse(answer)
    }
    return super.raw(at, { ...request, parse })
  }
}
