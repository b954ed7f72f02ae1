import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { Change } from '../../../../connectors/log/embedded/change.ts'
import { Compaction } from '../../../../connectors/log/embedded/compaction.ts'
import { runKey } from '../../../../connectors/log/embedded/keys.ts'
import { Partition } from '../../../../connectors/log/embedded/partition.ts'
import { encodeRun, isPayload, type StoredRecord } from '../../../../connectors/log/embedded/record-run.ts'
import { SegmentUses } from '../../../../connectors/log/embedded/segment-uses.ts'
import { storedRuns } from '../../../../connectors/log/embedded/stored-runs.ts'
import { Rocks } from '../../../../connectors/rocksdb/rocks.ts'
import { propertyRuns } from '../../../support/property-runs.ts'

/** A partition with stored records, and the sizes of the writes that change the partition. */
class Stored {
  readonly partition: Partition
  readonly rocks: Rocks
  readonly uses = new SegmentUses()
  readonly writes: number[] = []
  /** The number of writes that succeed before a write fails. */
  writesLeft = Number.POSITIVE_INFINITY

  constructor(rocks: Rocks, topic: number, keys: readonly string[], { recordsARun = 3, segment = (_at: number): number => 0 } = {}) {
    this.rocks = rocks
    this.partition = new Partition('rows', topic, 0, { start: 0, end: keys.length, bytes: 0 })
    const records = keys.map((key, at): StoredRecord => {
      const value = segment(at) === 0 ? Buffer.from([at]) : { segment: segment(at), position: 0, length: 1000, crc: 0 }
      return { offset: at, timestamp: 0, key: key === '' ? null : Buffer.from(key), value, headers: [] }
    })
    for (let from = 0; from < records.length; from += recordsARun) {
      const run = records.slice(from, from + recordsARun)
      rocks.write([[runKey(topic, 0, from), encodeRun(run)]])
      for (const { offset, value } of run) {
        if (!isPayload(value)) continue
        const { rows, apply } = this.uses.add(value.segment, this.partition, offset)
        rocks.write(rows)
        apply()
      }
    }
    this.partition.bytes = this.size()
  }

  compaction(maxKeyBytes?: number): Compaction {
    const { rocks, uses } = this
    const change = async (plan: (rocks: Rocks) => Change) => {
      const { rows, apply } = plan(rocks)
      if (rows.length > 0) {
        if (this.writesLeft-- <= 0) throw new Error('the disk is full')
        this.writes.push(rows.length)
        rocks.write(rows)
      }
      apply()
    }
    return new Compaction({ uses, disk: { forWriting: () => rocks }, cycle: { change }, ...(maxKeyBytes === undefined ? {} : { maxKeyBytes }) })
  }

  /** The offsets and keys of the stored records. */
  left(): readonly (readonly [number, string])[] {
    const runs = [...storedRuns(this.partition, 0, this.partition.next, this.rocks)]
    return runs.flatMap(({ records }) => records.map(({ offset, key }) => [offset, Buffer.from(key ?? []).toString()] as const))
  }

  size(): number {
    let bytes = 0
    for (const run of storedRuns(this.partition, 0, this.partition.next, this.rocks)) bytes += run.size
    return bytes
  }
}

function newestOf(keys: readonly string[]): readonly (readonly [number, string])[] {
  return [...keys.entries()].filter(([at, key]) => key === '' || keys.lastIndexOf(key) === at)
}

describe('A compaction of a topic', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-compaction-'))
  let rocks: Rocks
  let topics = 0
  before(async () => {
    rocks = await Rocks.open(directory)
  })
  after(async () => {
    await rocks.close()
    rmSync(directory, { recursive: true })
  })

  const keysOf = fc.array(fc.constantFrom('', 'a', 'b', 'c', 'd', 'e'), { maxLength: 60 })

  it('keeps the newest record of each key and the records without a key, and counts their bytes correctly', async () => {
    await fc.assert(
      fc.asyncProperty(keysOf, fc.integer({ min: 1, max: 7 }), async (keys, recordsARun) => {
        const stored = new Stored(rocks, ++topics, keys, { recordsARun })
        await stored.compaction().compact(stored.partition, keys.length)
        assert.deepEqual(stored.left(), newestOf(keys))
        assert.equal(stored.partition.bytes, stored.size())
      }),
      { numRuns: propertyRuns(100) },
    )
  })

  it('keeps every newest record even with memory for only a few keys, and leaves at most twice as many records as keys', async () => {
    await fc.assert(
      fc.asyncProperty(keysOf, fc.integer({ min: 1, max: 400 }), async (keys, maxKeyBytes) => {
        const stored = new Stored(rocks, ++topics, keys)
        await stored.compaction(maxKeyBytes).compact(stored.partition, keys.length)
        const left = stored.left()
        const newest = newestOf(keys)
        for (const [offset] of newest) assert.ok(left.some(([there]) => there === offset))
        assert.ok(left.length <= 2 * newest.length, `${left.length} of ${newest.length}`)
      }),
      { numRuns: propertyRuns(100) },
    )
  })

  it('keeps records that a reader has not read', async () => {
    const stored = new Stored(rocks, ++topics, ['a', 'a', 'b', 'b', 'a', 'a'])
    await stored.compaction().compact(stored.partition, 4)
    assert.deepEqual(
      stored.left().map(([offset]) => offset),
      [1, 3, 4, 5],
    )
  })

  it('deletes many records in several small writes', async () => {
    const stored = new Stored(rocks, ++topics, Array<string>(1000).fill('a'), { recordsARun: 1 })
    await stored.compaction().compact(stored.partition, 1000)
    assert.deepEqual(stored.left(), [[999, 'a']])
    assert.ok(stored.writes.length > 50 && Math.max(...stored.writes) <= 33, stored.writes.join())
  })

  it('loses no record if its write fails, and the next compaction finishes the work', async () => {
    const keys = Array.from({ length: 300 }, (_, at) => `${at % 7}`)
    const stored = new Stored(rocks, ++topics, keys)
    const compaction = stored.compaction()
    for (const writes of [0, 1, 2]) {
      stored.writesLeft = writes
      await assert.rejects(compaction.compact(stored.partition, 300), /the disk is full/)
      assert.equal(stored.partition.bytes, stored.size())
      for (const [offset] of newestOf(keys)) assert.ok(stored.left().some(([there]) => there === offset))
    }
    stored.writesLeft = Number.POSITIVE_INFINITY
    await compaction.compact(stored.partition, 300)
    assert.deepEqual(stored.left(), newestOf(keys))
  })

  it('frees only the segments of the records that it deletes', async () => {
    const stored = new Stored(rocks, ++topics, ['a', 'b', 'a', 'c'], { segment: (at) => at + 1 })
    await stored.compaction().compact(stored.partition, 4)
    assert.deepEqual(
      stored.uses.unused(() => 0).filter((segment) => segment <= 4),
      [1],
    )
    const again = new SegmentUses()
    again.load(rocks)
    assert.deepEqual(
      [1, 2, 3, 4].map((segment) => again.has(segment)),
      [false, true, true, true],
    )
  })
})
