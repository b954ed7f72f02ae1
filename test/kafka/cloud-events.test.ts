import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, it } from 'node:test'
import { CloudEvent, Kafka as KafkaBinding, type KafkaMessage } from 'cloudevents'
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log, LogRecord } from '../../processor/ports.ts'
import { bytesIn } from '../../processor/ports.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

describeWithKafka('A CloudEvent on Kafka', {}, (cluster) => {
  const [events, decisions, enveloped] = ['events', 'decisions', 'enveloped'].map((name) => `${name}-${randomUUID()}`) as [string, string, string]
  let swarm: SwarmProcesses
  let admin: Admin
  let producer: Producer
  let log: Log

  before(async () => {
    const kafka = new Kafka({ clientId: 'outsider', brokers: [...cluster().brokers], logLevel: logLevel.NOTHING })
    admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [events, decisions, enveloped].map((topic) => ({ topic, numPartitions: 1 })) })
    producer = kafka.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    swarm = new SwarmProcesses({
      bees: `  - {name: orders, type: kafka-input, spec: {topic: ${events}}}
  - {name: seen, type: module, input: {stack: [entrance, orders]}, spec: {file: ./functions.mjs, bee: seen}}
  - {name: decide, type: kafka-output, input: {name: seen}, spec: {topic: ${decisions}, event_type: org.example.decided}}
  - {name: envelop, type: kafka-output, input: {name: seen}, spec: {topic: ${enveloped}, event_type: org.example.decided, event_mode: structured}}`,
      functions: `export const seen = (input, request) => ({
  input,
  event: Object.fromEntries(request.headers.filter(({ key }) => key.startsWith('ce_')).map(({ key, value }) => [key, Buffer.from(value).toString()])),
})
`,
      brokers: cluster().brokers,
    })
    await swarm.start('one')
  })
  after(async () => {
    await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])
    await swarm.close()
    await log.close()
    await producer.disconnect()
    await admin.disconnect()
  })

  /** The next event on a topic, read by the official SDK. */
  async function eventOn(
    topic: string,
    offset: number,
  ): Promise<CloudEvent<{ readonly input: unknown; readonly event: { readonly [name: string]: string } }>> {
    const reader = log.read({ topic, partition: 0, from: offset })
    for await (const { records } of reader) {
      const [record] = records
      if (record === undefined) continue
      await reader.close()
      const event = KafkaBinding.toEvent<{ readonly input: unknown; readonly event: { readonly [name: string]: string } }>(messageOf(record))
      assert.ok(event instanceof CloudEvent)
      return event
    }
    throw new Error(`${topic} has no record`)
  }

  let offset = 0
  for (const mode of ['binary', 'structured'] as const)
    for (const to of ['a topic of its own', 'the topic of a gateway'])
      it(`in the ${mode} mode on ${to} is a request with its data, and kafka-output writes an event for it in either mode`, async () => {
        const event = new CloudEvent({
          source: '/shop',
          type: 'org.example.ordered',
          tenant: 'seven',
          datacontenttype: 'application/json',
          data: { order: 7 },
        })
        const { headers, value, key } = KafkaBinding[mode](event)
        const topic = to === 'a topic of its own' ? events : `waggle.gateway.${swarm.gateway}`
        const given = Object.fromEntries(
          Object.entries(headers as Record<string, string | undefined>).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
        )
        // The SDK leaves the data of a binary event to the producer.
        const text = typeof value === 'string' ? value : JSON.stringify(value)
        await producer.send({ topic, messages: [{ key: key ?? null, value: text, headers: given }] })
        const [binary, structured] = await Promise.all([eventOn(decisions, offset), eventOn(enveloped, offset)])
        offset++
        for (const out of [binary, structured]) {
          assert.deepEqual(out.data?.input, { order: 7 })
          assert.deepEqual([out.data?.event.ce_id, out.data?.event.ce_type, out.data?.event.ce_tenant], [event.id, 'org.example.ordered', 'seven'])
          assert.deepEqual([out.type, out.tenant], ['org.example.decided', undefined])
        }
        assert.equal(binary.id, structured.id)
        assert.match(binary.source, new RegExp(`^/swarms/${swarm.swarm}/bees/decide$`))
      })
})

function messageOf({ key, value, headers }: LogRecord): KafkaMessage {
  return {
    key: key === null ? undefined : Buffer.from(key).toString(),
    value: Buffer.from(bytesIn(value) ?? new Uint8Array(0)).toString(),
    headers: Object.fromEntries(headers.map((header) => [header.key, header.value === null ? '' : Buffer.from(header.value).toString()])),
  } as KafkaMessage
}
