import type { Log, LogRecord, PartitionOffsets } from '../../processor/ports.ts'
import { headerText } from '../../topology/record.ts'
import { deadLetterSettledHeader } from '../../topology/swarm/request/headers.ts'
import { deadLetterTopic } from '../../topology/topic-names.ts'
import type { OpenLetter } from './letter-place.ts'
import { OffsetSet } from './offset-set.ts'
import { eachRun } from './topic-pages.ts'

/** The letters of one partition, in the order of their offsets. */
interface PartitionLetters {
  /** The next offset to read. */
  next: number
  /** True if older open letters were left out of memory. */
  isCut: boolean
  /** The timestamp of each open letter, by its offset. */
  readonly open: Map<number, number>
  /**
   * The offsets of all settled letters. A settlement comes after its letter in the partition. When the partition is read again, this set is therefore
   * needed to skip settled letters.
   */
  readonly settled: OffsetSet
}

/**
 * The places and times of the open dead letters of one swarm, without values. The dead-letter topic is read once, and later only the added records
 * are read. The topic may contain any number of letters and settlements. Memory holds at most the newest `maxOpen` open letters, in equal shares for
 * the partitions, and one bit for each settled letter. Once half of a partition's share is settled, the partition is read again to find older open
 * letters.
 */
export class OpenLetters {
  readonly #log: Log
  readonly #swarm: string
  readonly #maxOpen: number
  #partitions: PartitionLetters[] = []
  #topicId: string | null = null
  #reading: Promise<void> = Promise.resolve()

  constructor(log: Log, swarm: string, { maxOpen = 100_000 }: { readonly maxOpen?: number } = {}) {
    this.#log = log
    this.#swarm = swarm
    this.#maxOpen = maxOpen
  }

  /** Reads the records that were added before this call. */
  refresh(): Promise<void> {
    const read = this.#reading.then(() => this.#refresh())
    this.#reading = read.catch(() => {})
    return read
  }

  /** True for a letter that was not settled before the last `refresh`. */
  isOpen(partition: number, offset: number): boolean {
    const letters = this.#partitions[partition]
    return letters !== undefined && offset < letters.next && !letters.settled.has(offset)
  }

  /** The open letters, as of the last `refresh`. The letters of a partition come newest first. */
  *[Symbol.iterator](): IterableIterator<OpenLetter> {
    for (const [partition, { open }] of this.#partitions.entries())
      for (const [offset, timestamp] of [...open].reverse()) yield { swarm: this.#swarm, partition, offset, timestamp }
  }

  async #refresh(): Promise<void> {
    const info = await this.#log.topic(deadLetterTopic(this.#swarm))
    const offsets = info?.offsets ?? []
    const id = info?.id ?? null
    const isOther = id !== this.#topicId || offsets.length !== this.#partitions.length
    const isShorter = offsets.some(({ end }, partition) => end < (this.#partitions[partition]?.next ?? 0))
    if (isOther || isShorter) {
      this.#topicId = id
      this.#partitions = offsets.map(({ start }) => ({ next: start, isCut: false, open: new Map(), settled: new OffsetSet() }))
    }
    for (const [partition, ends] of offsets.entries()) await this.#read(partition, ends)
  }

  async #read(partition: number, { start, end }: PartitionOffsets): Promise<void> {
    const letters = this.#partitions[partition]
    if (letters === undefined) return
    const { open, settled } = letters
    settled.forgetBefore(start)
    for (const offset of open.keys()) {
      if (offset >= start) break
      open.delete(offset)
    }
    const most = Math.ceil(this.#maxOpen / this.#partitions.length)
    const from = Math.max(start, letters.next)
    if (from >= end) return
    const reader = this.#log.read({ topic: deadLetterTopic(this.#swarm), partition, from, to: end, skipsLargeValues: true })
    await eachRun(reader, async ({ records }) => {
      for (const record of records) {
        const named = settledOffset(record)
        if (named === null) {
          if (!settled.has(record.offset)) open.set(record.offset, record.timestamp)
        } else if (Number.isInteger(named) && named >= start && named < record.offset) {
          open.delete(named)
          settled.add(named)
        }
        letters.next = record.offset + 1
      }
      for (const offset of open.keys()) {
        if (open.size <= most) break
        open.delete(offset)
        letters.isCut = true
      }
      return 'go on'
    })
    letters.next = end
    if (!letters.isCut || open.size > most / 2) return
    this.#partitions[partition] = { next: start, isCut: false, open: new Map(), settled }
    await this.#read(partition, { start, end })
  }
}

/** The offset of the letter that a record settles; null for a record that is itself a letter. */
export function settledOffset({ headers, value }: LogRecord): number | null {
  if (headerText(headers, deadLetterSettledHeader) === null) return null
  return value instanceof Uint8Array ? Number(Buffer.from(value).toString()) : Number.NaN
}
