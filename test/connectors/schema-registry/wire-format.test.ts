import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bodyOf, messageIndexBytes, messageIndexesIn, schemaIdIn, schemaIdOf, withSchemaId } from '../../../connectors/schema-registry/wire-format.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('The Confluent wire format', () => {
  it('consists of the magic byte 0, the schema id in four bytes, most significant first, and the body', () => {
    const bytes = withSchemaId(0x01020304, Buffer.from('body'))
    assert.equal(hex(bytes), `0001020304${hex(Buffer.from('body'))}`)
    assert.equal(schemaIdOf('topic', bytes), 0x01020304)
    assert.equal(bodyOf(bytes).toString(), 'body')
  })

  it('is read from within a larger buffer', () => {
    const bytes = Buffer.from(`ffff${hex(withSchemaId(7, Buffer.from('body')))}ff`, 'hex').subarray(2, 11)
    assert.equal(schemaIdOf('topic', bytes), 7)
    assert.equal(bodyOf(bytes).toString(), 'body')
  })

  it('refuses bytes that begin with another byte or are too short', () => {
    for (const bytes of [Buffer.from('{"a": 1}'), Buffer.of(0, 0, 0, 1), Buffer.of()]) {
      assert.equal(schemaIdIn(bytes), null)
      assert.throws(() => schemaIdOf('topic', bytes), { code: 'WAGGLE_NOT_THE_WIRE_FORMAT' })
    }
  })

  // The examples are from Confluent's documentation, "Wire format".
  for (const [indexes, bytes] of [
    [[0], '00'],
    [[1, 0], '040200'],
    [[1], '0202'],
    [[0, 0], '040000'],
    [[64, 2], '04800104'],
  ] as const) {
    it(`has the message indexes [${indexes}] as the bytes ${bytes}`, () => {
      assert.equal(hex(messageIndexBytes(indexes)), bytes)
      assert.deepEqual(messageIndexesIn(Buffer.from(`${bytes}0801`, 'hex')), { indexes: [...indexes], length: bytes.length / 2 })
    })
  }

  it('accepts the long form of the first message’s index', () => {
    assert.deepEqual(messageIndexesIn(Buffer.from('0200', 'hex')), { indexes: [0], length: 2 })
  })

  it('refuses truncated message indexes, and more indexes than bytes', () => {
    for (const bytes of ['', '04', '0480', '01', 'fe01', 'ffffffffffffff']) {
      assert.throws(() => messageIndexesIn(Buffer.from(bytes, 'hex')), { code: 'WAGGLE_NOT_THE_WIRE_FORMAT' }, bytes)
    }
  })
})
