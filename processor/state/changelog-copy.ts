import { eventLoopTurn } from '../event-loop-turn.ts'
import type { Log, Reader, TaskDisk } from '../ports.ts'
import type { StoreChangelog } from './changelog-topics.ts'
import { keptNumbers } from './kept-numbers.ts'
import { type RestoredRows, restoredRows } from './restored-rows.ts'

/** Offsets of a changelog. */
export interface ChangelogRange {
  readonly start: number
  /**
   * The offset after the last record of a changelog. For a source topic that replaces the changelog, the end is the task's position in that topic.
   */
  readonly end: number
  readonly topicId: string | null
}

/** Brings one store on a disk up to the end of its changelog, and keeps it there. */
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
  /** The number of pauses so far. The result of a read that began before a pause is dropped. */
  #epoch = 0
  #closed = false

  constructor(options: {
    readonly changelog: StoreChangelog
    readonly disk: TaskDisk
    readonly log: Log
    readonly onRecords: (count: number, copy: ChangelogCopy) => void
    /** Called when the copy on the disk is useless and the whole changelog is read again. */
    readonly onAnew: (why: string) => void
  }) {
    this.changelog = options.changelog
    this.#disk = options.disk
    this.#log = options.log
    this.#onRecords = options.onRecords
    this.#onAnew = options.onAnew
  }

  /** The next offset to read. Rows before this offset may not be written yet. */
  get position(): number {
    return this.#position
  }

  /**
   * Finds the offset from which to read. The rows on the disk count only if they belong to this changelog. If the changelog starts after the disk's
   * offset, records that the disk lacks were deleted. If the changelog ends before that offset, or has another id, it is another topic of the same
   * name.
   */
  begin({ start, end, topicId }: ChangelogRange): void {
    const { store, place } = this.changelog
    const there = this.#disk.offset(place)
    const other = there === null ? null : mismatchOf({ offset: there, topicId: this.#disk.topicId(place) }, { start, end, topicId })
    const isPart = there !== null && other === null
    this.#topicId = topicId
    this.#epoch++
    if (other !== null) this.#onAnew(`The store ${store.name} is read anew from ${place.topic}, partition ${place.partition}, which ${other}`)
    if (!isPart) {
      this.#disk.wipe(store.name, [place])
      keptNumbers.forget(this.#disk, store.name)
    }
    this.#position = isPart ? there : start
    // An empty changelog gets a copy too.
    if (!isPart || (topicId !== null && this.#disk.topicId(place) === null)) {
      this.#disk.write({ changes: [], offsets: [{ ...place, offset: this.#position, ...(topicId === null ? {} : { topicId }) }] })
    }
    this.#rows = restoredRows(store, this.#disk.store(store.name), keptNumbers.read(this.#disk))
  }

  /** Settles when the store is restored or the copy is closed. */
  async readTo(end: number): Promise<void> {
    if (this.#position >= end) return
    const epoch = this.#epoch
    await this.#read({ to: end })
    // Offsets without records (transaction markers) may follow the last record.
    if (this.#closed || epoch !== this.#epoch) return
    this.#position = end
    this.#write()
  }

  /** Reads on until the copy is paused or closed. */
  follow(): Promise<void> {
    return this.#read({})
  }

  /** Stops reading. `begin` starts the reading again. */
  pause(): void {
    this.#epoch++
    void this.#reader?.close()
  }

  /** Frees the row buffers when the store is restored. */
  freeBuffers(): void {
    this.#rows = null
  }

  close(): void {
    this.#closed = true
    void this.#reader?.close()
  }

  /** Reads records into the store. Records that exist at the start are written in large batches, later records as they come. */
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
      // Existing records arrive without a wait, so the loop yields after each batch.
      await eventLoopTurn()
    }
  }

  #write(): void {
    const { store, place } = this.changelog
    const rows = this.#rows
    const changes = rows === null || rows.isEmpty ? [] : [{ store: store.name, entries: rows.take() }, keptNumbers.change(rows.numbers)]
    this.#disk.write({ changes, offsets: [{ ...place, offset: this.#position }] })
    // A changelog has no records for rows that expire, so the rows below the floor are deleted by their key.
    const floor = rows?.takeFloor() ?? null
    if (floor !== null) this.#disk.store(store.name).clearBefore?.(floor)
  }
}

/** The reason why an offset cannot belong to this changelog, as the end of a sentence about the changelog; null if the offset can belong to it. */
export function mismatchOf({ offset, topicId }: { readonly offset: number; readonly topicId: string | null }, now: ChangelogRange): string | null {
  if (topicId !== null && now.topicId !== null && topicId !== now.topicId) return 'was deleted and made anew'
  if (offset < now.start) return `begins at ${now.start}, where the disk has it up to ${offset}`
  if (offset > now.end) return `ends at ${now.end}, where the disk has it up to ${offset}`
  return null
}
