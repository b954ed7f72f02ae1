import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Consumed, Produced, type Serde, Serdes, Streams, type StreamsConfig, schemaRegistry } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { startApicurio } from '../../support/apicurio.ts'
import { field, type Sale, saleSchema, type Total, text, totalSchema, totals } from '../../support/avro-totals.ts'
import { SwitchableProxy } from '../../support/switchable-proxy.ts'

const server = await startApicurio()
const skip = 'missing' in server ? server.missing : false
const url = 'missing' in server ? '' : server.url
const directories: string[] = []
after(async () => {
  if (!('missing' in server)) await server.stop()
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

function config(applicationId: string, more: Partial<StreamsConfig> = {}): StreamsConfig {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-registry-'))
  directories.push(stateDir)
  return { applicationId, log: 'embedded', cacheMaxBytes: 0, stateDir, commitIntervalMs: 5, ...more }
}

async function subjects(): Promise<readonly string[]> {
  return (await fetch(`${url}/subjects`)).json() as Promise<string[]>
}

async function take<T>(records: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const record of records) if (taken.push(record) === count) break
  return taken
}

async function totalsOf(streams: Streams, name: string, total: Serde<Total>, count: number): Promise<readonly unknown[]> {
  const records = await take(streams.records(`${name}-totals`, Consumed.with(text, total)), count)
  return records.map(({ key, value }) => [key, { ...value }])
}

describe('A program whose serdes have a schema registry', { skip }, () => {
  it('registers schemas for the topics, repartition topics and changelogs that it writes, but not for topics that it only reads', async () => {
    const registry = schemaRegistry({ url })
    const [sales, total] = [registry.avro<Sale>({ schema: saleSchema }), registry.avro<Total>({ schema: totalSchema })]
    await using streams = new Streams(totals('first', sales, total), config('first-app'))
    await streams.start()
    assert.deepEqual((await subjects()).filter((subject) => subject.startsWith('first')).toSorted(), [
      'first-app-by-shop-repartition-value',
      'first-app-totals-changelog-value',
      'first-totals-value',
    ])
    const written = Produced.with(text, sales)
    await streams.send('first-sales', { key: null, value: { shop: 'A', pieces: 2 } }, written)
    await streams.send('first-sales', { key: null, value: { shop: 'A', pieces: 3 } }, written)
    assert.deepEqual(await totalsOf(streams, 'first', total, 2), [
      ['A', { sales: 1, pieces: 2 }],
      ['A', { sales: 2, pieces: 5 }],
    ])
  })

  it('reads the values in its stores even after its schema has changed', async () => {
    const settings = config('evolved-app')
    const sales = () => schemaRegistry({ url }).avro<Sale>({ schema: saleSchema })
    const total = () => schemaRegistry({ url }).avro<Total>({ schema: totalSchema })
    {
      await using streams = new Streams(totals('evolved', sales(), total()), settings)
      await streams.start()
      await streams.send('evolved-sales', { key: null, value: { shop: 'A', pieces: 2 } }, Produced.with(text, sales()))
      await totalsOf(streams, 'evolved', total(), 1)
    }
    const fields = [...totalSchema.fields, field('currency', 'string', { default: 'EUR' })]
    const newer = schemaRegistry({ url }).avro<Total>({ schema: { ...totalSchema, fields } })
    await using streams = new Streams(totals('evolved', sales(), newer), settings)
    await streams.start()
    await streams.send('evolved-sales', { key: null, value: { shop: 'A', pieces: 3 } }, Produced.with(text, sales()))
    assert.deepEqual(await totalsOf(streams, 'evolved', newer, 2), [
      ['A', { sales: 1, pieces: 2, currency: 'EUR' }],
      ['A', { sales: 2, pieces: 5, currency: 'EUR' }],
    ])
  })

  it('waits while the registry is unreachable if a schema is new, and loses no record', async () => {
    await using proxy = await SwitchableProxy.before(url)
    const far = schemaRegistry({ url: proxy.url })
    const total = far.avro<Total>({ schema: totalSchema })
    await using streams = new Streams(
      totals('waiting', far.avro<Sale>({ schema: saleSchema }), total),
      config('waiting-app', { deserializationHandler: () => assert.fail('nobody is asked'), deadLetterTopic: 'waiting-letters' }),
    )
    await streams.start()
    proxy.goAway()
    const newer = { ...saleSchema, fields: [...saleSchema.fields, field('clerk', 'string', { default: '' })] }
    const written = Produced.with(text, schemaRegistry({ url }).avro<Sale & { clerk: string }>({ schema: newer }))
    // The library itself retries, so one attempt makes four calls.
    const inVain = proxy.callsInVain(9)
    for (const pieces of [1, 2, 3]) await streams.send('waiting-sales', { key: null, value: { shop: 'A', pieces, clerk: 'C' } }, written)
    await inVain
    assert.equal(streams.state, 'RUNNING')
    proxy.comeBack()
    const found = await totalsOf(streams, 'waiting', schemaRegistry({ url }).avro<Total>(), 3)
    assert.deepEqual(found.at(-1), ['A', { sales: 3, pieces: 6 }])
    assert.equal(streams.failure?.code, 'WAGGLE_REGISTRY_UNREACHABLE')
    assert.match(`${streams.failure}`, new RegExp(proxy.url))
  })

  it('writes a dead letter for a record with an unknown schema or without a schema, and continues', async () => {
    const registry = schemaRegistry({ url })
    const [sales, total] = [registry.avro<Sale>({ schema: saleSchema }), registry.avro<Total>({ schema: totalSchema })]
    const failed: string[] = []
    await using streams = new Streams(
      totals('letters', sales, total),
      config('letters-app', {
        deadLetterTopic: 'letters',
        deserializationHandler: (error) => {
          failed.push(error.code)
          return 'resume'
        },
      }),
    )
    await streams.start()
    const bytes = Produced.with(text, Serdes.bytes())
    await streams.send('letters-sales', { key: null, value: Buffer.from('0000ffffff02', 'hex') }, bytes)
    await streams.send('letters-sales', { key: null, value: Buffer.from('{"shop": "A"}') }, bytes)
    await streams.send('letters-sales', { key: null, value: { shop: 'A', pieces: 1 } }, Produced.with(text, sales))
    assert.deepEqual(await totalsOf(streams, 'letters', total, 1), [['A', { sales: 1, pieces: 1 }]])
    assert.deepEqual(failed, ['WAGGLE_SCHEMA_UNKNOWN', 'WAGGLE_NOT_THE_WIRE_FORMAT'])
    const letters = await take(streams.records('letters', Consumed.with(text, Serdes.bytes())), 2)
    assert.deepEqual(
      letters.map(({ value }) => Buffer.from(value ?? []).toString('hex')),
      ['0000ffffff02', Buffer.from('{"shop": "A"}').toString('hex')],
    )
  })

  it('fails at start if its schema is incompatible, or if no registry answers', async () => {
    await schemaRegistry({ url }).avro({ schema: totalSchema }).open?.({ topic: 'strict-totals', part: 'value' })
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    await fetch(`${url}/config/strict-totals-value`, { method: 'PUT', headers, body: '{"compatibility": "BACKWARD"}' })
    const changed = { ...totalSchema, fields: [field('sales', 'string')] }
    const registry = schemaRegistry({ url })
    const streams = new Streams(totals('strict', registry.avro({ schema: saleSchema }), registry.avro({ schema: changed })), config('strict-app'))
    await assert.rejects(streams.start(), { code: 'WAGGLE_SCHEMA_INCOMPATIBLE', message: /strict-totals-value/ })
    assert.equal(streams.state, 'ERROR')
    const nowhere = schemaRegistry({ url: 'http://127.0.0.1:1' })
    const lost = totals('lost', nowhere.avro({ schema: saleSchema }), nowhere.avro({ schema: totalSchema }))
    await assert.rejects(new Streams(lost, config('lost-app')).start(), { code: 'WAGGLE_REGISTRY_UNREACHABLE', message: /127\.0\.0\.1:1/ })
  })

  it('runs in a test driver', async () => {
    const registry = schemaRegistry({ url })
    const [sales, total] = [registry.avro<Sale>({ schema: saleSchema }), registry.avro<Total>({ schema: totalSchema })]
    await using driver = new TopologyTestDriver(totals('driven', sales, total))
    const input = driver.createInputTopic('driven-sales', text, sales)
    await input.pipeInput(null, { shop: 'A', pieces: 2 }, 0)
    const { key, value } = driver.createOutputTopic('driven-totals', text, total).readRecord()
    assert.deepEqual([key, { ...value }], ['A', { sales: 1, pieces: 2 }])
  })
})
