import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Connections, type Lane, type RawRequest } from '../../../../connectors/log/kafka/cluster/connections.ts'
import { PlatformaticClient } from '../../../../connectors/log/kafka/cluster/platformatic-client.ts'
import { openLogOn } from '../../../../connectors/log/kafka/kafka-log.ts'
import type { Consumer } from '../../../../processor/ports.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record } from '../../../support/kafka-log.ts'

const partitions = 200

describeWithKafka('A topic of many partitions', {}, (cluster) => {
  it('adds no cost to a record: a consumer sends and receives nothing about quiet partitions', {
    timeout: 60_000,
  }, async () => {
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

  it('needs only a few requests for offsets, regardless of the number of askers in a program', async () => {
    const topic = newName('topic')
    const client = new Counting()
    const log = await openLogOn(client, { ...quickOptions(cluster()), processing: 'at_least_once', transactions: null })
    try {
      await log.createTopics([{ name: topic, partitions, cleanup: 'delete', retentionMs: null }])
      const infos = await Promise.all(Array.from({ length: partitions }, () => log.topic(topic)))
      assert.deepEqual(new Set(infos.map((info) => info?.offsets.length)), new Set([partitions]))
      // A request asks for one of three kinds of offsets, and is repeated while a broker is not yet the leader of the new partitions.
      assert.ok(client.offsetRequests < partitions, `${client.offsetRequests} requests`)
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

/** A client that counts the bytes of fetch requests and their answers, and requests for offsets. */
class Counting extends PlatformaticClient {
  fetchedBytes = 0
  offsetRequests = 0
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

  override listOffsets(...asked: Parameters<PlatformaticClient['listOffsets']>) {
    this.offsetRequests++
    return super.listOffsets(...asked)
  }
}
