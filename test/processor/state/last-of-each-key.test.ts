import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { LastOfEachKey } from '../../../processor/state/last-of-each-key.ts'

const bytes = (text: string) => Buffer.from(text)
const record = fc.record({
  key: fc.oneof(fc.integer({ min: 0, max: 5000 }).map(String), fc.string({ maxLength: 40 })),
  value: fc.option(fc.oneof(fc.string({ maxLength: 3 }), fc.string({ minLength: 30, maxLength: 50 })), { freq: 5 }),
})

it('The last record of each key is taken, even after earlier records were taken', () => {
  fc.assert(
    fc.property(fc.array(fc.array(record, { maxLength: 3000, size: 'max' }), { maxLength: 3 }), (rounds) => {
      const last = new LastOfEachKey()
      for (const records of rounds) {
        const expected = new Map<string, readonly [string | null, number]>()
        records.forEach(({ key, value }, at) => {
          last.add(bytes(key), value === null ? null : bytes(value), at)
          expected.set(key, [value, at])
        })
        assert.equal(last.size, expected.size)
        const taken = [...last.take()].length
        assert.equal(taken, expected.size)
        records.forEach(({ key, value }, at) => {
          last.add(bytes(key), value === null ? null : bytes(value), at)
        })
        const found = new Map<string, readonly [string | null, number]>()
        for (const { key, value, timestamp } of last.take()) found.set(String(key), [value === null ? null : String(value), timestamp])
        assert.deepEqual(found, expected)
        assert.deepEqual([last.size, last.bytes], [0, 0])
      }
    }),
    { numRuns: 30 },
  )
})

it('Taken records are in the order of their keys if the keys differ within four bytes after their common prefix', () => {
  const last = new LastOfEachKey()
  const keys = ['key-20', 'key-1', 'key-', 'key-100', 'key-3', 'key-2000']
  for (const key of keys) last.add(bytes(key), null, 0)
  assert.deepEqual(
    [...last.take()].map(({ key }) => String(key)),
    keys.toSorted(),
  )
})
