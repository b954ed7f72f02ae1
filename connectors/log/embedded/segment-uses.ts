import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { Change } from './change.ts'
import { prefix, segmentUseKey } from './keys.ts'
import type { Partition } from './partition.ts'
import { decodeRun } from './record-run.ts'

interface Use {
  readonly topic: number
  readonly partition: number
  last: number
}

/**
 * For each segment file: the partitions with payloads in it, and the last offset of each. Retention deletes a file when the start of every such
 * partition is past that offset. The commit that writes the records also stores the uses.
 */
export class SegmentUses {
  readonly #segments = new Map<number, Map<string, Use>>()

  load(disk: Rocks): void {
    this.#segments.clear()
    for (const [key, value] of disk.range(Uint8Array.of(prefix.segmentUse), Uint8Array.of(prefix.segmentUse + 1))) {
      const bytes = Buffer.from(key)
      this.#set(bytes.readUInt32BE(1), bytes.readUInt32BE(5), bytes.readUInt32BE(9), Buffer.from(value).readDoubleBE())
    }
  }

  has(segment: number): boolean {
    return this.#segments.has(segment)
  }

  /** Notes that the payload of a record of this partition is in the segment. */
  add(segment: number, { topicNumber, number }: Partition, offset: number): Change {
    return { rows: [useChange(segment, topicNumber, number, offset)], apply: () => this.#set(segment, topicNumber, number, offset) }
  }

  /** Segments that no kept record names. `startOf` gives the first kept offset of a partition. */
  unused(startOf: (topic: number, partition: number) => number): readonly number[] {
    const unused: number[] = []
    for (const [segment, uses] of this.#segments) {
      let isUsed = false
      for (const { topic, partition, last } of uses.values()) isUsed ||= last >= startOf(topic, partition)
      if (!isUsed) unused.push(segment)
    }
    return unused
  }

  /**
   * Replaces the uses by records before `end`. `lasts` gives, for each segment that one of the kept records names, the offset of the last such
   * record. Uses by records from `end` on stay.
   */
  replace({ topicNumber, number }: Partition, lasts: ReadonlyMap<number, number>, end: number): Change {
    const name = `${topicNumber} ${number}`
    const rows: RocksChange[] = []
    const changes: (() => void)[] = []
    for (const [segment, uses] of this.#segments) {
      const last = lasts.get(segment)
      const use = uses.get(name)
      if (use === undefined || use.last === last || use.last >= end) continue
      rows.push(last === undefined ? [segmentUseKey(segment, topicNumber, number), null] : useChange(segment, topicNumber, number, last))
      changes.push(() => {
        if (last === undefined) uses.delete(name)
        else use.last = last
      })
    }
    return {
      rows,
      apply() {
        for (const change of changes) change()
      },
    }
  }

  /** Forgets a segment that no kept record names. */
  forget(segment: number): Change {
    const uses = [...(this.#segments.get(segment)?.values() ?? [])]
    return {
      rows: uses.map(({ topic, partition }) => [segmentUseKey(segment, topic, partition), null]),
      apply: () => void this.#segments.delete(segment),
    }
  }

  /** Finds the uses by reading all records. This is needed for the directory of an older version, and for a segment file without any stored use. */
  find(disk: Rocks): readonly RocksChange[] {
    const changes: RocksChange[] = []
    for (const [key, run] of disk.range(Uint8Array.of(prefix.run), Uint8Array.of(prefix.run + 1))) {
      const bytes = Buffer.from(key)
      const [topic, partition, first] = [bytes.readUInt32BE(1), bytes.readUInt32BE(5), bytes.readDoubleBE(9)]
      const named = new Set<number>()
      const last = decodeRun(first, run, ({ segment }) => {
        named.add(segment)
        return nothing
      }).at(-1)
      for (const segment of named) {
        this.#set(segment, topic, partition, last?.offset ?? first)
        changes.push(useChange(segment, topic, partition, last?.offset ?? first))
      }
    }
    return changes
  }

  #set(segment: number, topic: number, partition: number, last: number): void {
    const uses = this.#segments.get(segment) ?? new Map<string, Use>()
    this.#segments.set(segment, uses)
    const name = `${topic} ${partition}`
    const use = uses.get(name)
    if (use === undefined) uses.set(name, { topic, partition, last })
    else use.last = Math.max(use.last, last)
  }
}

function useChange(segment: number, topic: number, partition: number, last: number): RocksChange {
  const value = Buffer.alloc(8)
  value.writeDoubleBE(last)
  return [segmentUseKey(segment, topic, partition), value]
}

const nothing = new Uint8Array(0)
