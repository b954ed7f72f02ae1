import { setImmediate } from 'node:timers/promises'
import type { LogRecord } from '../../processor/ports.ts'
import { type FoundPart, payloadIn } from '../../processor/swarm/part-log.ts'
import { PartSequence, type PublishedPart, partRecordOf } from '../../topology/swarm/request/part.ts'

export interface FollowedPartsOptions {
  /** Reads the records that the log has about the parts of the request, which is of this time. */
  readonly past: (since: number) => Promise<readonly FoundPart[]>
  /** Called with each part that counts. A part may be told more than once. */
  readonly listener: (part: PublishedPart) => void
  /** True when the listener takes no part any more. */
  readonly isOver?: () => boolean
}

/**
 * The parts of one request in their order, from the records that the log has and from those that come. A record that cannot be judged without earlier
 * ones makes it read those first.
 */
export class FollowedParts {
  readonly #options: FollowedPartsOptions
  #sequence = new PartSequence()
  /** The offset behind the last record that was judged. */
  #next = 0
  #hasPast = false
  /** True after a read that failed, until another one succeeds. */
  #lacks = false
  /** The records that came while earlier ones were read. */
  #held: FoundPart[] = []
  #reading: Promise<void> | null = null

  constructor(options: FollowedPartsOptions) {
    this.#options = options
  }

  /** Takes a record of the topic of parts, whose key is the request. */
  take(record: LogRecord): void {
    const part = partRecordOf(record.headers)
    if (part === null) return
    if (this.#reading !== null) this.#held.push({ record, part })
    else if (!this.#judge({ record, part })) {
      this.#held.push({ record, part })
      // Where the log cannot be read, the parts are missing until the end of the request, when they are read again.
      this.catchUp(part.since).catch(() => {})
    }
  }

  /**
   * Tells all parts that the log has by now. It reads the log unless all of them have come. `hasArrived`: every record that the log has by now was
   * taken. `isFromStart`: the request was followed before its first part.
   */
  async finish(since: number, { hasArrived, isFromStart }: { readonly hasArrived: boolean; readonly isFromStart: boolean }): Promise<void> {
    const isWhole = hasArrived && (this.#hasPast || isFromStart) && this.#reading === null && !this.#lacks
    if (!isWhole) await this.catchUp(since)
  }

  /** Reads all parts that the log has by now, and tells them. */
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
      // Records that came have already told more than this read.
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

  /** False if earlier records are needed. */
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

/** The most records that one turn of the event loop judges. */
const partsATurn = 256
