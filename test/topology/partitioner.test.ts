import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { murmur2, partitionForKey } from '../../topology/partitioner.ts'

describe('The default partitioner', () => {
  // The values come from Kafka's own UtilsTest.testMurmur2.
  const known: readonly (readonly [key: string, hash: number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]

  it('hashes as Kafka’s Java client does, bit for bit', () => {
    for (const [key, hash] of known) assert.equal(murmur2(Buffer.from(key)), hash, key)
  })

  it('chooses the partition as the hash without its sign, modulo the number of partitions', () => {
    for (const [key, hash] of known) assert.equal(partitionForKey(Buffer.from(key), 7), (hash & 0x7fffffff) % 7, key)
  })
})
