import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuidOf } from '../../topology/uuid.ts'

test('A UUID has the version and the variant of RFC 9562, and all other bits of its bytes', () => {
  assert.equal(uuidOf(new Uint8Array(16).fill(0xff), 8), 'ffffffff-ffff-8fff-bfff-ffffffffffff')
  assert.equal(uuidOf(new Uint8Array(16), 7), '00000000-0000-7000-8000-000000000000')
})

test('A UUID is made of the first 16 bytes, which stay unchanged', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index)
  assert.equal(uuidOf(bytes, 8), '00010203-0405-8607-8809-0a0b0c0d0e0f')
  assert.equal(bytes[6], 6)
})
