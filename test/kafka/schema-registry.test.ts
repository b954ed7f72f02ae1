import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { Consumed, Produced, Serdes, Streams, schemaRegistry } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { startApicurio } from '../support/apicurio.ts'
import { field, type Sale, saleSchema, type Total, text, totalSchema, totals } from '../support/avro-totals.ts'
import { readWhole } from '../support/followed-topic.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest, newName } from '../support/kafka-log.ts'
import { SwitchableProxy } from '../support/switchable-proxy.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const server = await startApicurio()
const skip = 'missing' in server ? server.missing : false
const url = 'missing' in server ? '' : server.url

describeWithKafka('A program on Kafka whose serdes have a schema registry', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  after(async () => {
    directories.remove()
    if (!('missing' in server)) await server.stop()
  })

  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`keeps Avro in its topics and changelogs, and continues on another machine with a newer schema, ${processing}`, { skip }, async () => {
      const { log, close } = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
      const [name, applicationId] = [newName('shop'), newName('shops')]
      const topics = [`${name}-sales`, `${name}-totals`]
      await log.createTopics(topics.map((topic) => ({ name: topic, partitions: 4, cleanup: 'delete', retentionMs: null })))
      const program = (registryUrl: string, schema: object) => {
        const registry = schemaRegistry({ url: registryUrl })
        const topology = totals(name, registry.avro<Sale>({ schema: saleSchema }), registry.avro<Total>({ schema }))
        const kafka = { brokers: cluster().brokers }
        return new Streams(topology, {
          applicationId,
          log: { kafka },
          stateDir: directories.make(),
          processing,
          commitIntervalMs: 20,
          cacheMaxBytes: 0,
        })
      }
      const sell = async (streams: Streams, ...pieces: readonly number[]) => {
        const sales = Produced.with(text, schemaRegistry({ url }).avro<Sale>({ schema: saleSchema }))
        for (const count of pieces) await streams.send(`${name}-sales`, { key: String(count), value: { shop: 'A', pieces: count } }, sales)
      }
      try {
        {
          await using first = program(url, totalSchema)
          await first.start()
          await sell(first, 2, 3)
          assert.deepEqual(await lastTotal(first, name, 2), { sales: 2, pieces: 5 })
        }
        for (const topic of [`${applicationId}-by-shop-repartition`, `${applicationId}-totals-changelog`, `${name}-totals`]) {
          const firstBytes = new Set<number | undefined>()
          await readWhole(log, topic, ({ value }) => void firstBytes.add(value instanceof Uint8Array ? value[0] : undefined))
          // Confluent's wire format begins with a zero byte.
          assert.deepEqual([...firstBytes], [0], topic)
        }
        await using proxy = await SwitchableProxy.before(url)
        const fields = [...totalSchema.fields, field('currency', 'string', { default: 'EUR' })]
        await using second = program(proxy.url, { ...totalSchema, fields })
        await second.start()
        proxy.goAway()
        await sell(second, 4)
        proxy.comeBack()
        assert.deepEqual(await lastTotal(second, name, 3), { sales: 3, pieces: 9, currency: 'EUR' })
        assert.equal(second.state, 'RUNNING')
      } finally {
        await close()
      }
    })
  }
})

/** The total after this number of sales. */
async function lastTotal(streams: Streams, name: string, sales: number): Promise<unknown> {
  const read = Consumed.with(Serdes.string(), schemaRegistry({ url }).avro<Total>())
  for await (const { value } of streams.records(`${name}-totals`, read)) if (value?.sales === sales) return { ...value }
  return null
}
