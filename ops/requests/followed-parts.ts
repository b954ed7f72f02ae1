import { setImmediate } from 'node:timers/promises'
import type { LogRecord } from '../../processor/ports.ts'
import { type FoundPart, type FoundParts, payloadIn } from '../../processor/swarm/part-log.ts'
import { PartSequence, type PublishedPart, partRecordOf } from '../../topology/swarm/request/part.ts'

export interface FollowedPartsOptions {
  /** Reads the log's records about the parts of the request. `since` is the time of the request. */
  readonly past: (since: number) => Promise<FoundParts>
  /** True if the log may have deleted records about a request of this time. False if the time of the request is unknown. */
  readonly isOld: (since: number) => boolean
  /** The bees that may publish parts. A record of another bee counts only if its call has begun, and is never a reason to read the log. */
  readonly bees: readonly string[]
  /**
   * The time of the request, in epoch ms; `unknownTime` while nobody knows it. The time in a record of the topic decides nothing, because a foreign
   * record may have any.
   */
  readonly since: () => number
  /** For each call, the number of parts that the caller already has, also from earlier connections. */
  readonly sent: () => ReadonlyMap<string, number>
  /** Called with each part that counts. The same part may be reported more than once. */
  readonly listener: (part: PublishedPart) => void
  /** Called once if parts may be missing because the log has deleted them. */
  readonly onGap: () => void
  /** True when the listener accepts no more parts. */
  readonly isOver?: () => boolean
}

/**
 * The parts of one request in their order, from the records that the log already contains and from new records. If it takes earlier records to decide
 * whether a record is a part (`PartSequence`), these are read first.
 */
export class FollowedParts {
  readonly #options: FollowedPartsOptions
  #sequence = new PartSequence()
  /** The offset after the last judged record. */
  #next = 0
  #hasPast = false
  /** True if the log had already deleted records about the request when the log was read. */
  #isCut = false
  #hasToldGap = false
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
      this.catchUp(this.#options.since()).catch(() => {})
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
      const { records, isCut } = await this.#options.past(since)
      this.#lacks = false
      // The records that arrived have already reported more than this read.
      if (this.#hasPast && (records.at(-1)?.record.offset ?? -1) < this.#next - 1) return
      this.#isCut = isCut
      this.#sequence = new PartSequence(isCut ? this.#options.sent() : undefined)
      this.#next = 0
      this.#hasPast = true
      for (const [at, one] of records.entries()) {
        if (this.#options.isOver?.() === true) break
        if (at % partsATurn === partsATurn - 1) await setImmediate()
        this.#judge(one)
      }
      if (isCut && this.#mayLack(since)) this.#tellGap()
    } finally {
      for (const one of this.#held.splice(0)) this.#judge(one)
    }
  }

  /**
   * True if deleted records may be about parts that the caller does not have. A call whose first record is still in the log is complete. If the age
   * of the request is unknown, only the parts that the caller already has show that earlier parts existed.
   */
  #mayLack(since: number): boolean {
    const { begun } = this.#sequence
    if ([...this.#options.sent().keys()].some((call) => !begun.has(call))) return true
    const begunBees = new Set(Array.from(begun, (call) => call.split('@', 1)[0]))
    return this.#options.isOld(since) && this.#options.bees.some((bee) => !begunBees.has(bee))
  }

  #tellGap(): void {
    if (this.#hasToldGap || this.#options.isOver?.() === true) return
    this.#hasToldGap = true
    this.#options.onGap()
  }

  /** Passes the record on if it is a part that counts. False if it takes earlier records to decide this. */
  #judge({ record, part }: FoundPart): boolean {
    if (record.offset < this.#next) return true
    const counts = this.#sequence.take(part)
    const isMissing = counts === 'missing' && this.#options.bees.includes(part.bee)
    if (isMissing && !this.#hasPast) return false
    this.#next = record.offset + 1
    if (isMissing && this.#isCut) this.#tellGap()
    const payload = counts === true ? payloadIn(record) : null
    if (payload !== null && typeof part.number === 'number')
      this.#options.listener({ bee: part.bee, rounds: part.rounds, number: part.number, part: payload })
    return true
  }
}

/** The most records that are judged in one turn of the event loop. */
const partsATurn = 256
