import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { inflate, maxInflatedBytes } from '../../../../../connectors/log/kafka/wire/batch-compression.ts'
import { SimulatedRandom } from '../../../../../processor/simulation/simulated-random.ts'
import { propertyRuns } from '../../../../support/property-runs.ts'

const codecs = Object.entries(compressionsAlgorithms).flatMap(([name, { bitmask, compressSync }]) =>
  bitmask === 0 ? [] : [[name, bitmask, (data: Buffer) => Buffer.from(compressSync(data))] as const],
)
const random = new SimulatedRandom(1)
const samples = [
  Buffer.alloc(0),
  Buffer.from('a'),
  Buffer.from('hello '.repeat(10_000)),
  Buffer.alloc(300_000, 7),
  Buffer.from(random.bytes(200_000)),
  Buffer.from(Array.from({ length: 5000 }, (_, at) => JSON.stringify({ at, word: `word-${at % 37}` })).join('\n')),
]

describe('Compressed records', () => {
  for (const [name, bits, compress] of codecs) {
    it(`are read back unchanged from ${name}, regardless of their size and content`, () => {
      for (const sample of samples) assert.ok(inflate(compress(sample), bits).equals(sample), `${sample.length} bytes`)
    })

    it(`give an error or other bytes if a ${name} batch is damaged, and an intact batch can still be read`, () => {
      const whole = compress(Buffer.from('hello '.repeat(100)))
      let refused = 0
      for (let attempt = 0; attempt < propertyRuns(20_000); attempt++) {
        const damaged = Buffer.from(whole)
        const at = Math.floor(random.next() * damaged.length)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random.next() * 8))
        try {
          inflate(damaged, bits)
        } catch (thrown) {
          assert.ok(thrown instanceof Error)
          refused++
        }
      }
      assert.ok(refused > 0)
      assert.equal(inflate(whole, bits).toString(), 'hello '.repeat(100))
    })
  }

  it('are refused if they inflate above the limit', () => {
    const bomb = Buffer.alloc(maxInflatedBytes + 1)
    assert.throws(() => inflate(gzipSync(bomb), 1))
    assert.throws(() => inflate(zstdCompressSync(bomb), 4))
    assert.throws(() => inflate(Buffer.from([255, 255, 255, 255, 15, 0]), 2), /the bound is/)
    // A literal, and a copy of it that is 130 MB long.
    const block = Buffer.concat([Buffer.from([0x1f, 0x61, 1, 0]), Buffer.alloc(530_000, 255), Buffer.from([0])])
    const size = Buffer.alloc(4)
    size.writeUInt32LE(block.length)
    const frame = Buffer.concat([Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]), size, block, Buffer.alloc(4)])
    assert.throws(() => inflate(frame, 3), /inflates to more than/)
  })
})
