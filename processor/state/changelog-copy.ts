import { nextTurn } from '../next-turn.ts'
import type { Log, Reader, TaskDisk } from '../ports.ts'
import type { StoreChangelog } from './changelog-topics.ts'
import { keptNumbers } from './kept-on-disk.ts'
import { type RestoredRows, restoredRows } from './restored-rows.ts'

/** Where a changelog lies now. */
export interface ChangelogRange {
  readonly start: number
  /** Of a changelog, past all that is written; of a topic that stands for one, the task's position in it. */
  readonly end: number
  /** See `TopicInfo.id`. */
  readonly topicId: string | null
}

/** Brings one store of a disk to where its changelog is, and on from there. */
export class ChangelogCopy {
  readonly changelog: StoreChangelog
  readonly #disk: TaskDisk
  readonly #log: Log
  readonly #onRecords: (count: number, copy: ChangelogCopy) => void
  readonly #onAnew: (why: string) => void
  #rows: RestoredRows | null = null
  #reader: Reader | null = null
  #position = 0
  #topicId: string | null = null
  /** What was begun before a pause does not count. */
  #epoch = 0
  #closed = false

  constructor(options: {
    readonly changelog: StoreChangelog
    readonly disk: TaskDisk
    readonly log: Log
    readonly onRecords: (count: number, copy: ChangelogCopy) => void
    /** What the disk had of the store is of no use, and all of it is read anew. */
    readonly onAnew: (why: string) => void
  }) {
    this.changelog = options.changelog
    this.#disk = options.disk
    this.#log = options.log
    this.#onRecords = options.onRecords
    this.#onAnew = options.onAnew
  }

  /** The next offset to be read; the store may be behind by what is not written yet. */
  get position(): number {
    return this.#position
  }

  /**
   * Looks where to go on. What the disk has counts as long as it is a part of this changelog: one that starts later, or ends before, has
   * lost something that the disk never heard of, or is another one of the same name, as one with another id surely is.
   */
  begin({ start, end, topicId }: ChangelogRange): void {
    const { store, place } = this.changelog
    const there = this.#disk.offset(place)
    const other = there === null ? null : otherwise({ offset: there, topicId: this.#disk.topicId(place) }, { start, end, topicId })
    const isPart = there !== null && other === null
    this.#topicId = topicId
    this.#epoch++
    if (other !== null) this.#onAnew(`The store ${store.name} is read anew from ${place.topic}, partition ${place.partition}, which ${other}`)
    if (!isPart) {
      this.#disk.wipe(store.name, [place])
      keptNumbers.forget(this.#disk, store.name)
    }
    this.#position = isPart ? there : start
    // Of an empty changelog there is a copy too.
    if (!isPart || (topicId !== null && this.#disk.topicId(place) === null)) {
      this.#disk.write({ changes: [], offsets: [{ ...place, offset: this.#position, ...(topicId === null ? {} : { topicId }) }] })
    }
    this.#rows = restoredRows(store, this.#disk.store(store.name), keptNumbers.read(this.#disk))
  }

  /** Settles when the store is there, or when it is closed. */
  async readTo(end: number): Promise<void> {
    if (this.#position >= end) return
    const epoch = this.#epoch
    await this.#read({ to: end })
    // Behind the last record there may be others that do not count.
    if (this.#closed || epoch !== this.#epoch) return
    this.#position = end
    this.#write()
  }

  /** Goes on for good. */
  follow(): Promise<void> {
    return this.#read({})
  }

  /** Lets go of what it reads; `begin` goes on. */
  pause(): void {
    this.#epoch++
    void this.#reader?.close()
  }

  /** It is there: what it read with is of no use any more. `begin` makes it anew. */
  rest(): void {
    this.#rows = null
  }

  close(): void {
    this.#closed = true
    void this.#reader?.close()
  }

  /** What there is to be read comes fast, and is written much at a time; what comes later, when it comes. */
  async #read(until: { readonly to?: number }): Promise<void> {
    if (this.#closed) return
    const reader = this.#log.read({ ...this.changelog.place, from: this.#position, ...until, whole: { topicId: this.#topicId } })
    this.#reader = reader
    const epoch = this.#epoch
    for await (const { records } of reader) {
      if (this.#closed || epoch !== this.#epoch) return
      const last = records.at(-1)
      if (last === undefined) continue
      this.#rows?.add(records)
      this.#position = last.offset + 1
      if (until.to === undefined || this.#rows?.isFull) this.#write()
      this.#onRecords(records.length, this)
      // What is there already comes without waiting: others have their turn all the same.
      await nextTurn()
    }
  }

  #write(): void {
    const { store, place } = this.changelog
    const rows = this.#rows
    const changes = rows === null || rows.isEmpty ? [] : [{ store: store.name, entries: rows.take() }, keptNumbers.change(rows.numbers)]
    this.#disk.write({ changes, offsets: [{ ...place, offset: this.#position }] })
    // A changelog is not told of what has run out.
    const floor = rows?.takeFloor() ?? null
    if (floor !== null) this.#disk.store(store.name).clearBefore?.(floor)
  }
}

/** Why an offset is none of this changelog; null where it may be one. */
export function otherwise({ offset, topicId }: { readonly offset: number; readonly topicId: string | null }, now: ChangelogRange): string | null {
  if (topicId !== null && now.topicId !== null && topicId !== now.topicId) return 'was deleted and made anew'
  if (offset < now.start) return `begins at ${now.start}, where the disk has it up to ${offset}`
  if (offset > now.end) return `ends at ${now.end}, where the disk has it up to ${offset}`
  return null
}
