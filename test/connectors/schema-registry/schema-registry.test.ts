import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type Serde, schemaRegistry } from 'waggle-streams'
import { startApicurio } from '../../support/apicurio.ts'

const server = await startApicurio()
const skip = 'missing' in server ? server.missing : false
const url = 'missing' in server ? '' : server.url
after(async () => {
  if (!('missing' in server)) await server.stop()
})

interface Order {
  readonly id: string
  readonly pieces: number
}

const orderSchema = { type: 'record', name: 'Order', fields: [field('id', 'string'), field('pieces', 'int')] }
const orderJson = { type: 'object', required: ['id', 'pieces'], properties: { id: { type: 'string' }, pieces: { type: 'integer' } } }
const orderProto = `syntax = "proto3";
package shop;
enum Kind { NEW = 0; USED = 1; }
message Address { string street = 1; }
message Order {
  message Line { string article = 1; int64 pieces = 2; Kind kind = 3; map<string, int32> notes = 4; bytes picture = 5; }
  string id = 1;
  repeated Line lines = 2;
}`

function field(name: string, type: unknown, rest: object = {}): object {
  return { name, type, ...rest }
}

/** Calls the registry by Confluent's API, without Waggle's code. */
async function ask(path: string, body?: object, method = body === undefined ? 'GET' : 'POST') {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
  const response = await fetch(`${url}${path}`, body === undefined ? { method } : { method, headers, body: JSON.stringify(body) })
  assert.ok(response.ok, `${response.status} for ${path}: ${await response.clone().text()}`)
  return response.json() as Promise<{ id: number; schema: string }>
}

async function opened<T>(serde: Serde<T>, topic: string): Promise<Serde<T>> {
  await serde.open?.({ topic, part: 'value' })
  return serde
}

async function read<T>(serde: Serde<T>, topic: string, bytes: Uint8Array): Promise<T> {
  await serde.prepare?.(topic, bytes)
  return serde.deserialize(topic, bytes)
}

const plain = (value: object) => ({ ...value })

describe('A schema-registry serde', { skip }, () => {
  it('registers its schema under <topic>-value and <topic>-key, and writes Avro after the id from the registry', async () => {
    const serde = await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'orders')
    await serde.open?.({ topic: 'orders', part: 'key' })
    const { id, schema } = await ask('/subjects/orders-value/versions/latest')
    assert.deepEqual(JSON.parse(schema), orderSchema)
    assert.equal((await ask('/subjects/orders-key/versions/latest')).id, id)
    const head = Buffer.alloc(5)
    head.writeInt32BE(id, 1)
    // Avro writes a string as its zigzag length and its bytes, and an int as a zigzag varint.
    const body = Buffer.of(2 * 2, 'o'.charCodeAt(0), '7'.charCodeAt(0), 2 * 300 - 512 + 128, 4)
    assert.deepEqual(Buffer.from(serde.serialize('orders', { id: 'o7', pieces: 300 })), Buffer.concat([head, body]))
  })

  it('reads records of another writer with an unknown schema', async () => {
    const { id } = await ask('/subjects/handmade-value/versions', { schema: JSON.stringify({ ...orderSchema, name: 'Handmade' }) })
    const bytes = Buffer.concat([Buffer.of(0, 0, 0, 0, id), Buffer.of(2, 'x'.charCodeAt(0), 6)])
    const order = await read(schemaRegistry({ url }).avro<Order>(), 'handmade', bytes)
    assert.deepEqual(plain(order), { id: 'x', pieces: 3 })
  })

  it('fetches each schema once', async () => {
    const bytes = (await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'orders')).serialize('orders', { id: 'a', pieces: 1 })
    const reader = schemaRegistry({ url }).avro<Order>()
    assert.ok(reader.prepare?.('orders', bytes) instanceof Promise)
    await reader.prepare?.('orders', bytes)
    assert.equal(reader.prepare?.('orders', bytes), null)
  })

  it('reads values of another version of its Avro schema: new fields get their default, and removed fields are dropped', async () => {
    const old = await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'evolving')
    const newer = { ...orderSchema, fields: [field('id', 'string'), field('currency', 'string', { default: 'EUR' })] }
    const reader = schemaRegistry({ url }).avro<{ id: string; currency: string }>({ schema: newer })
    assert.deepEqual(plain(await read(reader, 'evolving', old.serialize('evolving', { id: 'a', pieces: 1 }))), { id: 'a', currency: 'EUR' })
  })

  it('writes with the latest schema of the subject if it has no schema of its own', async () => {
    await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'latest')
    const serde = await opened(schemaRegistry({ url }).avro<Order>(), 'latest')
    assert.deepEqual(plain(await read(serde, 'latest', serde.serialize('latest', { id: 'a', pieces: 1 }))), { id: 'a', pieces: 1 })
    await assert.rejects(opened(schemaRegistry({ url }).avro(), 'nowhere'), { code: 'WAGGLE_SCHEMA_NOT_REGISTERED', message: /nowhere-value/ })
  })

  it('registers no schema if registration is off', async () => {
    const serde = () => schemaRegistry({ url }).avro<Order>({ schema: { ...orderSchema, name: 'Unregistered' }, register: false })
    await assert.rejects(opened(serde(), 'strict'), { code: 'WAGGLE_SCHEMA_NOT_REGISTERED', message: /strict-value/ })
    const { id } = await ask('/subjects/strict-value/versions', { schema: JSON.stringify({ ...orderSchema, name: 'Unregistered' }) })
    const bytes = (await opened(serde(), 'strict')).serialize('strict', { id: 'a', pieces: 1 })
    assert.equal(Buffer.from(bytes).readInt32BE(1), id)
  })

  it('uses a configured subject, even if no topic is known', async () => {
    await schemaRegistry({ url }).avro({ schema: orderSchema, subject: 'all-orders' }).open?.({ topic: null, part: 'value' })
    await opened(schemaRegistry({ url }).avro({ schema: orderSchema, subject: ({ topic, part }) => `${part} of ${topic}` }), 'named')
    assert.ok((await ask('/subjects/all-orders/versions/latest')).id > 0)
    assert.ok((await ask(`/subjects/${encodeURIComponent('value of named')}/versions/latest`)).id > 0)
    const none = schemaRegistry({ url }).avro({ schema: orderSchema })
    await assert.rejects(none.open?.({ topic: null, part: 'value' }) ?? Promise.resolve(), { code: 'WAGGLE_SUBJECT_UNKNOWN' })
  })

  it('writes and reads only JSON that matches its schema', async () => {
    const serde = await opened(schemaRegistry({ url }).jsonSchema<Order>({ schema: orderJson }), 'json')
    const bytes = serde.serialize('json', { id: 'a', pieces: 1 })
    assert.equal(Buffer.from(bytes.subarray(5)).toString(), '{"id":"a","pieces":1}')
    assert.deepEqual(await read(schemaRegistry({ url }).jsonSchema<Order>(), 'json', bytes), { id: 'a', pieces: 1 })
    const wrong = { id: 'a' } as Order
    assert.throws(() => serde.serialize('json', wrong), { code: 'WAGGLE_INVALID_VALUE', message: /pieces/ })
    const written = Buffer.concat([bytes.subarray(0, 5), Buffer.from('{"id":"a"}')])
    await assert.rejects(read(serde, 'json', written), { code: 'WAGGLE_INVALID_VALUE', message: /json.*pieces/ })
  })

  it('writes Protobuf with the path to its message in the file, and accepts values as TypeScript types them', async () => {
    const serde = await opened(schemaRegistry({ url }).protobuf<object>({ schema: orderProto, message: 'Order.Line' }), 'lines')
    const line = { article: 'ball', pieces: 2n ** 60n, kind: 'USED', notes: { size: 3 }, picture: Buffer.of(1, 2) }
    const bytes = serde.serialize('lines', line)
    // The path to the message: the second message of the file, and the first message inside that message.
    assert.equal(Buffer.from(bytes.subarray(5, 8)).toString('hex'), '040200')
    assert.deepEqual(await read(schemaRegistry({ url }).protobuf({ schema: orderProto, message: 'Order.Line' }), 'lines', bytes), line)
  })

  it('reads Protobuf of another version of the file, in which its message has another index', async () => {
    const other = 'syntax = "proto3"; package shop; message Order { string id = 1; int32 added = 3; } message Address { string street = 1; }'
    const { id } = await ask('/subjects/moved-value/versions', { schemaType: 'PROTOBUF', schema: other })
    const orders = schemaRegistry({ url }).protobuf<{ id: string }>({ schema: orderProto, message: 'Order' })
    // Path [0] in its short form: the first message, whose field 1 is "a".
    assert.deepEqual(await read(orders, 'moved', Buffer.concat([Buffer.of(0, 0, 0, 0, id), Buffer.from('000a0161', 'hex')])), { id: 'a', lines: [] })
    const address = Buffer.concat([Buffer.of(0, 0, 0, 0, id), Buffer.from('02020a0161', 'hex')])
    await assert.rejects(read(orders, 'moved', address), { code: 'WAGGLE_SCHEMA_WRONG_KIND', message: /\[1\].*shop\.Order/ })
  })

  it('fails for an incompatible schema with the subject and the registry’s message', async () => {
    await opened(schemaRegistry({ url }).avro({ schema: orderSchema }), 'guarded')
    await ask('/config/guarded-value', { compatibility: 'FULL' }, 'PUT')
    const other = { ...orderSchema, fields: [field('id', 'string'), field('weight', 'double')] }
    await assert.rejects(opened(schemaRegistry({ url }).avro({ schema: other }), 'guarded'), {
      code: 'WAGGLE_SCHEMA_INCOMPATIBLE',
      message: /guarded-value.*weight/s,
      next: /default/,
    })
    const fits = { ...orderSchema, fields: [...orderSchema.fields, field('note', 'string', { default: '' })] }
    await opened(schemaRegistry({ url }).avro({ schema: fits }), 'guarded')
  })

  it('fails for a schema id that the registry does not know, and asks the registry again for the next record', async () => {
    const serde = schemaRegistry({ url }).avro()
    const bytes = Buffer.from('0000ffffff02', 'hex')
    for (let times = 0; times < 2; times++) await assert.rejects(serde.prepare?.('t', bytes) ?? Promise.resolve(), { code: 'WAGGLE_SCHEMA_UNKNOWN' })
    assert.throws(() => serde.deserialize('t', bytes), { code: 'WAGGLE_SCHEMA_UNKNOWN', message: /16777215/ })
  })

  it('fails for a record of another kind of schema, without a schema, or truncated', async () => {
    const bytes = (await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'orders')).serialize('orders', { id: 'a', pieces: 1 })
    await assert.rejects(read(schemaRegistry({ url }).jsonSchema(), 'orders', bytes), { code: 'WAGGLE_SCHEMA_WRONG_KIND', message: /AVRO/ })
    await assert.rejects(read(schemaRegistry({ url }).avro(), 'orders', Buffer.from('{"id": 1}')), { code: 'WAGGLE_NOT_THE_WIRE_FORMAT' })
    await assert.rejects(read(schemaRegistry({ url }).avro(), 'orders', bytes.subarray(0, 6)), { code: 'WAGGLE_INVALID_VALUE' })
  })

  it('fails, with the topic, for a value that does not match its schema', async () => {
    const serde = await opened(schemaRegistry({ url }).avro<Order>({ schema: orderSchema }), 'orders')
    assert.throws(() => serde.serialize('orders', { id: 'a', pieces: 1.5 }), { code: 'WAGGLE_INVALID_VALUE', message: /orders.*1\.5/ })
  })

  it('fails with WAGGLE_REGISTRY_UNREACHABLE if no registry answers at the address', async () => {
    for (const [address, why] of [
      ['http://127.0.0.1:1', /ECONNREFUSED/],
      [`${url}/not-here`, /says 404/],
    ] as const) {
      const serde = schemaRegistry({ url: address }).avro({ schema: orderSchema })
      const wanted = { code: 'WAGGLE_REGISTRY_UNREACHABLE', message: why, next: /address/ }
      await assert.rejects(opened(serde, 'orders'), wanted)
      await assert.rejects(serde.prepare?.('orders', Buffer.from('000000000102', 'hex')) ?? Promise.resolve(), wanted)
    }
  })
})
