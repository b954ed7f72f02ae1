import type { ProducerRecord, StoreBytes, StoreChange, TaskDisk, TopicPartition } from '../ports.ts'
import type { StoreChangelog } from './changelog-topics.ts'
import { keptNumbers } from './kept-on-disk.ts'

/** What a commit does to a task's state, from when it is closed until it took effect. */
export interface LoggedChanges {
  readonly changes: readonly StoreChange[]
  readonly positions: readonly (TopicPartition & { readonly offset: number })[]
  /** As they are with these changes. */
  readonly kept: readonly (readonly [name: string, value: number, ...more: readonly unknown[]])[]
}

/**
 * The state of one task on a log that keeps none. A commit has its changes in the changelogs first, with everything else that it
 * has, and when it took effect they are written here, with the offsets that they bring the stores to in the same write. A crash in
 * between leaves the disk behind its changelogs by that commit, and what is missing is read from there.
 */
export class LoggedState {
  readonly #disk: TaskDisk
  readonly #changelogs: readonly StoreChangelog[]
  #isClosed = false

  constructor(disk: TaskDisk, changelogs: readonly StoreChangelog[]) {
    this.#disk = disk
    this.#changelogs = changelogs
  }

  /** Learnt from its changelogs, or written down with the rows. */
  get kept(): ReadonlyMap<string, number> {
    return keptNumbers.read(this.#disk)
  }

  /** Of an input whose position is kept here; null where it has none yet. */
  offset(input: TopicPartition): number | null {
    return this.#disk.offset(input)
  }

  store(name: string): StoreBytes {
    return this.#disk.store(name)
  }

  /** `isLast`: it belongs behind everything else of its commit. */
  append(changes: readonly StoreChange[], append: (record: ProducerRecord, options: { readonly isLast: boolean }) => void): void {
    for (const { store, logged } of changes) {
      const changelog = this.#changelogs.find((one) => one.store.name === store && !one.isSource)
      if (logged === null || changelog === undefined) continue
      const { removedLast = false } = changelog.store
      for (const { key, value, timestamp, headers } of logged())
        append({ ...changelog.place, key, value, timestamp, headers }, { isLast: removedLast && value === null })
    }
  }

  /** A commit that is still on its way is read from the changelogs by whoever has the task next: the disk may be theirs by then. */
  close(): void {
    this.#isClosed = true
  }

  /** The commit took effect; its records end there. */
  write({ changes, positions, kept }: LoggedChanges, ends: readonly (TopicPartition & { readonly offset: number })[]): void {
    if (this.#isClosed) return
    const offsets = this.#changelogs.flatMap(({ place, isSource, topicId = null }) => {
      const end = (isSource ? positions : ends).find(({ topic, partition }) => topic === place.topic && partition === place.partition)
      return end === undefined ? [] : [{ ...place, offset: end.offset, ...(topicId === null ? {} : { topicId }) }]
    })
    if (changes.length === 0 && offsets.length === 0) return
    this.#disk.write({ changes: [...changes, keptNumbers.change(kept)], offsets })
  }
}
