import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Type } from 'typebox'
import { type Serde, Serdes, type Serializer } from 'waggle-streams'

const hex = <T>(serde: Serde<T>, value: T) => Buffer.from(serde.serialize('t', value)).toString('hex')

/** Java's serializers of the same names have written the expected bytes. */
describe('The serdes of Serdes', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['boolean', hex(Serdes.boolean(), true), '01'],
    ['short', hex(Serdes.short(), -2), 'fffe'],
    ['integer', hex(Serdes.integer(), 258), '00000102'],
    ['long', hex(Serdes.long(), -1), 'ffffffffffffffff'],
    ['bigLong', hex(Serdes.bigLong(), 2n ** 62n), '4000000000000000'],
    ['float', hex(Serdes.float(), 1.5), '3fc00000'],
    ['double', hex(Serdes.double(), 1.5), '3ff8000000000000'],
    ['uuid', hex(Serdes.uuid(), '00000000-0000-0000-0000-000000000001'), Buffer.from('00000000-0000-0000-0000-000000000001').toString('hex')],
    ['list of integers', hex(Serdes.list(Serdes.integer()), [1, 2]), '0000000000000000020000000100000002'],
    ['list of strings', hex(Serdes.list(Serdes.string()), ['a', 'bc']), '010000000200000001610000000262' + '63'],
    ['time window', hex(Serdes.timeWindowed(Serdes.string(), 10), { key: 'k', window: { start: 5, end: 15 } }), '6b0000000000000005'],
    ['session', hex(Serdes.sessionWindowed(Serdes.string()), { key: 'k', window: { start: 5, end: 9 } }), '6b00000000000000090000000000000005'],
  ]
  for (const [name, written, expected] of cases) it(`write the expected bytes: ${name}`, () => assert.equal(written, expected))

  it('read the values that they wrote', () => {
    const comesBack = <T>(serde: Serde<T>, values: fc.Arbitrary<T>) =>
      fc.assert(fc.property(values, (value) => assert.deepEqual(serde.deserialize('t', serde.serialize('t', value)), value)))
    comesBack(Serdes.long(), fc.maxSafeInteger())
    comesBack(Serdes.bigLong(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
    comesBack(Serdes.double(), fc.double({ noNaN: true }))
    comesBack(Serdes.string(), fc.string({ unit: 'grapheme' }))
    comesBack(Serdes.list(Serdes.string()), fc.array(fc.string()))
    comesBack(Serdes.list(Serdes.short()), fc.array(fc.integer({ min: -32768, max: 32767 })))
    comesBack(Serdes.list(Serdes.list(Serdes.uuid())), fc.array(fc.array(fc.uuid())))
  })

  it('refuse malformed bytes and values out of range', () => {
    const invalid = { code: 'WAGGLE_INVALID_VALUE' }
    assert.throws(() => Serdes.integer().deserialize('t', Buffer.alloc(3)), invalid)
    assert.throws(() => Serdes.boolean().deserialize('t', Buffer.of(2)), invalid)
    assert.throws(() => Serdes.uuid().serialize('t', 'x'), invalid)
    assert.throws(() => Serdes.list(Serdes.string()).deserialize('t', Buffer.of(1, 0, 0, 0, 1, 0, 0, 0, 9)), invalid)
    assert.throws(() => Serdes.long().serialize('t', 2 ** 60), { code: 'WAGGLE_UNSAFE_INTEGER' })
  })

  it('refuse a value of another type, and name its topic', () => {
    const refused = (serde: Serializer<never>, value: unknown, message: RegExp) =>
      assert.throws(() => serde.serialize('t', value as never), { code: 'WAGGLE_INVALID_VALUE', message })
    refused(Serdes.string(), 7, /A value for t is number 7, and not a string/)
    refused(Serdes.bytes(), 'x', /the string "x", and not a Uint8Array/)
    refused(Serdes.boolean(), 1, /a boolean/)
    refused(Serdes.short(), 2 ** 15, /16 bits/)
    refused(Serdes.short(), 0.5, /16 bits/)
    refused(Serdes.integer(), 2 ** 31, /32 bits/)
    refused(Serdes.integer(), 1.5, /32 bits/)
    refused(Serdes.integer(), '1', /32 bits/)
    refused(Serdes.long(), 1n, /a number/)
    refused(Serdes.bigLong(), 1, /a bigint/)
    refused(Serdes.bigLong(), 2n ** 63n, /64 bits/)
    refused(Serdes.float(), {}, /an object \(Object\)/)
    refused(Serdes.double(), null, /a number/)
    refused(Serdes.list(Serdes.string()), 'ab', /a list/)
    refused(Serdes.uuid(), 'ab', /a UUID/)
    refused(Serdes.json(), 1n, /JSON/)
    refused(Serdes.json(), () => 1, /JSON/)
    assert.throws(() => Serdes.void().serialize('t', 0 as never), { code: 'WAGGLE_INVALID_VALUE' })
  })

  it('keep a byte order mark, however long the text is', () => {
    for (const text of ['\uFEFFbear', `\uFEFF${'bear'.repeat(100)}`])
      assert.equal(Serdes.string().deserialize('t', Serdes.string().serialize('t', text)), text)
  })

  it('check JSON against its schema when they write and when they read', () => {
    const serde = Serdes.json(Type.Object({ n: Type.Integer() }))
    assert.deepEqual(serde.deserialize('t', serde.serialize('t', { n: 1 })), { n: 1 })
    assert.throws(() => serde.serialize('t', { n: 'x' } as never), {
      code: 'WAGGLE_INVALID_VALUE',
      message: /A value of t does not fit its schema: \/n/,
    })
    assert.throws(() => serde.deserialize('t', Buffer.from('{}')), { code: 'WAGGLE_INVALID_VALUE' })
    assert.throws(() => Serdes.json().deserialize('t', Buffer.from('{')), { code: 'WAGGLE_INVALID_VALUE' })
  })
})
