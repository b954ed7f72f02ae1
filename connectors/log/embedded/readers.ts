import type { Rocks } from '../../rocksdb/rocks.ts'
import type { Groups } from './groups.ts'
import { positionsIn } from './keys.ts'
import type { Partition } from './partition.ts'

export interface ReaderPosition {
  readonly group: string
  readonly offset: number
}

/**
 * All readers of this log. A record may be deleted only when all readers of its partition have read it. There are three kinds: groups with a stored
 * position (their swarm may not be running), groups of this process without a commit, and readers without a group.
 */
export class Readers {
  readonly #stored = new Map<string, ReaderPosition[]>()
  /** The groups that have a stored position in a topic. */
  readonly #byTopic = new Map<string, Set<string>>()
  /** The groups of this process. They may change while this object is in use. */
  readonly #groups: Groups

  constructor(disk: Rocks, groups: Groups) {
    this.#groups = groups
    for (const { group, topic, partition, value } of positionsIn(disk)) {
      const place = `${topic}\0${partition}`
      const position = { group, offset: new DataView(value.buffer, value.byteOffset).getFloat64(0) }
      const groupsOfTopic = this.#byTopic.get(topic) ?? new Set()
      this.#byTopic.set(topic, groupsOfTopic.add(group))
      const there = this.#stored.get(place)
      if (there === undefined) this.#stored.set(place, [position])
      else there.push(position)
    }
  }

  /**
   * The positions of groups that read this partition. A group that has a position only in another partition of the topic starts at offset 0 here. A
   * running group that no longer reads the topic is left out.
   */
  of(partition: Partition): readonly ReaderPosition[] {
    const { topic, number, start } = partition
    const here = this.#stored.get(`${topic}\0${number}`) ?? []
    const elsewhere = [...(this.#byTopic.get(topic) ?? [])].filter((name) => !here.some(({ group }) => group === name))
    const stored = [...here, ...elsewhere.map((group) => ({ group, offset: start }))]
    const positions = stored.filter(({ group }) => {
      const members = this.#groups.find(group)?.members ?? []
      return members.length === 0 || members.some((member) => member.reads(topic))
    })
    for (const { name } of this.#groups.reading(topic))
      if (!stored.some(({ group }) => group === name)) positions.push({ group: name, offset: start })
    return positions
  }

  /** The lowest position of all readers of this partition. */
  floor(partition: Partition): number {
    let floor = partition.durableEnd
    for (const { offset } of this.of(partition)) floor = Math.min(floor, offset)
    for (const watcher of partition.watchers) floor = Math.min(floor, watcher.positionOf(partition))
    return floor
  }
}

/** Advice for an error: how to let the log delete the records that a reader keeps. */
export function releaseOf(group: string): string {
  return `Start what reads as ${group}, or give up what it has not read: \`waggle reset --reader ${group}\`, while nothing runs.`
}
