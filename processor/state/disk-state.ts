import type { ProducerRecord, StoreBytes, StoreChange, TaskDisk, TopicPartition } from '../ports.ts'
import type { StoreChangelog } from './changelog-topics.ts'
import { keptNumbers } from './kept-numbers.ts'

/** The changes that one commit makes to a task's state. The changes are kept from the time when the commit is sealed until it has succeeded. */
export interface DiskChanges {
  readonly changes: readonly StoreChange[]
  readonly positions: readonly (TopicPartition & { readonly offset: number })[]
  /** The numbers that stores keep beside their rows (stream time, sequence), after these changes. */
  readonly kept: readonly (readonly [name: string, value: number, ...more: readonly unknown[]])[]
}

/**
 * The state of one task on a log that keeps no state. A commit first appends its changes to the changelogs, together with all its other records. When
 * the commit has succeeded, one write brings the changes and the changelog offsets to the disk. If the process dies in between, the disk lacks that
 * commit, and the missing records are read from the changelogs.
 */
export class DiskState {
  readonly #disk: TaskDisk
  readonly #changelogs: readonly StoreChangelog[]
  #isClosed = false

  constructor(disk: TaskDisk, changelogs: readonly StoreChangelog[]) {
    this.#disk = disk
    this.#changelogs = changelogs
  }

  /**
   * The numbers that stores keep beside their rows (stream time, sequence), as this disk has them. The numbers come from a changelog, or were written
   * with the rows.
   */
  get kept(): ReadonlyMap<string, number> {
    return keptNumbers.read(this.#disk)
  }

  /** The position of an input on this disk; null if there is none. */
  offset(input: TopicPartition): number | null {
    return this.#disk.offset(input)
  }

  store(name: string): StoreBytes {
    return this.#disk.store(name)
  }

  /** Appends the changes to the changelogs. `isLast` puts a record behind all other records of its commit. */
  append(changes: readonly StoreChange[], append: (record: ProducerRecord, options: { readonly isLast: boolean }) => void): void {
    for (const { store, logged } of changes) {
      const changelog = this.#changelogs.find((one) => one.store.name === store && !one.isSource)
      if (logged === null || changelog === undefined) continue
      const { removedLast = false } = changelog.store
      for (const { key, value, timestamp, headers } of logged())
        append({ ...changelog.place, key, value, timestamp, headers }, { isLast: removedLast && value === null })
    }
  }

  /**
   * Ends all writes. From then on the disk may belong to the task's next owner. If a commit is still on its way, the next owner reads the commit's
   * records from the changelogs.
   */
  close(): void {
    this.#isClosed = true
  }

  /** Writes a successful commit to the disk. `ends`: the changelogs' offsets after its records. */
  write({ changes, positions, kept }: DiskChanges, ends: readonly (TopicPartition & { readonly offset: number })[]): void {
    if (this.#isClosed) return
    const offsets = this.#changelogs.flatMap(({ place, isSource, topicId = null }) => {
      const end = (isSource ? positions : ends).find(({ topic, partition }) => topic === place.topic && partition === place.partition)
      return end === undefined ? [] : [{ ...place, offset: end.offset, ...(topicId === null ? {} : { topicId }) }]
    })
    if (changes.length === 0 && offsets.length === 0) return
    this.#disk.write({ changes: [...changes, keptNumbers.change(kept)], offsets })
  }
}
