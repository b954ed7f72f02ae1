import { setImmediate } from 'node:timers/promises'
import type { LogRecord } from '../../processor/ports.ts'
import { type FoundPart, payloadIn } from '../../processor/swarm/part-log.ts'
import { PartSequence, type PublishedPart, partRecordOf } from '../../topology/swarm/request/part.ts'

export interface FollowedPartsOptions {
  /** Reads the records of the request's parts that the log already contains. `since` is the time of the request. */
  readonly past: (since: number) => Promise<readonly FoundPart[]>
  /** Called with each valid part. A part may be passed more than once. */
  readonly listener: (part: PublishedPart) => void
  /** True when the listener accepts no more parts. */
  readonly isOver?: () => boolean
}

/**
 * The parts of one request in their order, from the records that the log already contains and from new records. If a record cannot be judged without
 * earlier records, the earlier records are read first.
 */
export class FollowedParts {
  readonly #options: FollowedPartsOptions
  #sequence = new PartSequence()
  /** The offset after the last judged record. */
  #next = 0
  #hasPast = false
  /** True after a failed read, until a read succeeds. */
  #lacks = false
  /** The records that arrived while earlier records were read. */
  #held: FoundPart[] = []
  #reading: Promise<void> | null = null

  constructor(options: FollowedPartsOptions) {
    this.#options = options
  }

  /** Takes a record of the topic of parts. Its key is the request's id. */
  take(record: LogRecord): void {
    const part = partRecordOf(record.headers)
    if (part === null) return
    if (this.#reading !== null) this.#held.push({ record, part })
    else if (!this.#judge({ record, part })) {
      this.#held.push({ record, part })
      // If the log cannot be read, the parts are missing until the end of the request, when the log is read again.
      this.catchUp(part.since).catch(() => {})
    }
  }

  /**
   * Passes all parts that the log contains by now. Reads the log unless all parts have already arrived. `hasArrived`: every record that the log
   * contains by now was taken. `isFromStart`: the request was followed before its first part.
   */
  async finish(since: number, { hasArrived, isFromStart }: { readonly hasArrived: boolean; readonly isFromStart: boolean }): Promise<void> {
    const isWhole = hasArrived && (this.#hasPast || isFromStart) && this.#reading === null && !this.#lacks
    if (!isWhole) await this.catchUp(since)
  }

  /** Reads all parts that the log contains by now, and passes them on. */
  catchUp(since: number): Promise<void> {
    const reading = (this.#reading ?? Promise.resolve())
      .catch(() => {})
      .then(() => this.#read(since))
      .finally(() => {
        if (this.#reading === reading) this.#reading = null
      })
    this.#reading = reading
    return reading
  }

  async #read(since: number): Promise<void> {
    try {
      this.#lacks = true
      const found = await this.#options.past(since)
      this.#lacks = false
      // Records that arrived meanwhile have already led further than this read.
      if (this.#hasPast && (found.at(-1)?.record.offset ?? -1) < this.#next - 1) return
      this.#sequence = new PartSequence()
      this.#next = 0
      this.#hasPast = true
      for (const [at, one] of found.entries()) {
        if (this.#options.isOver?.() === true) break
        if (at % partsATurn === partsATurn - 1) await setImmediate()
        this.#judge(one)
      }
    } finally {
      for (const one of this.#held.splice(0)) this.#judge(one)
    }
  }

  /** Returns false if earlier records are needed. */
  #judge({ record, part }: FoundPart): boolean {
    if (record.offset < this.#next) return true
    const counts = this.#sequence.take(part)
    if (counts === 'missing' && !this.#hasPast) return false
    this.#next = record.offset + 1
    const payload = counts === true ? payloadIn(record) : null
    if (payload !== null && typeof part.number === 'number')
      this.#options.listener({ bee: part.bee, rounds: part.rounds, number: part.number, part: payload })
    return true
  }
}

/** The most records that are judged in one turn of the event loop. */
const partsATurn = 256
