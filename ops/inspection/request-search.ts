import type { Clock, Log, LogRecord } from '../../processor/ports.ts'
import { derivedRequestId } from '../../processor/swarm/accept-step.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { headerText } from '../../topology/record.ts'
import { requestIdHeader, roundsHeader } from '../../topology/swarm/request/headers.ts'
import { eachRun } from './topic-pages.ts'

/** A record of the wanted request. */
export interface RequestRecord {
  readonly topic: string
  readonly partition: number
  readonly record: LogRecord
}

/**
 * The time of the wanted records, in epoch ms. `exact`: the timestamp of the records. `about`: the time in the request's id. `since`: the earliest
 * timestamp; older records of the request do not count. Null if no time is known.
 */
export type SoughtTime = { readonly exact: number } | { readonly about: number } | { readonly since: number } | null

/**
 * Searches topics for the records of one request. All records of a request have the same timestamp, so the search begins at the records of that time.
 * If the search finds nothing, it begins again at earlier times. `maxRecords` and `maxMs` bound the search in all topics together.
 */
export class RequestSearch {
  readonly #log: Log
  readonly #clock: Clock
  readonly #id: string
  readonly #until: number
  #left: number
  #isCut = false

  constructor({ log, clock, id }: { readonly log: Log; readonly clock: Clock; readonly id: string }, { maxRecords = 500_000, maxMs = 5000 } = {}) {
    this.#log = log
    this.#clock = clock
    this.#id = id
    this.#left = maxRecords
    this.#until = clock.elapsedMs() + maxMs
  }

  /** True if the search ended by itself; false if a bound ended the search. */
  get isComplete(): boolean {
    return !this.#isCut
  }

  /** The records of a topic whose key is the request id. In the topic of an entrance, also records with the id in a header, in any partition. */
  async in(topic: string, time: SoughtTime, { isEntrance = false } = {}): Promise<readonly RequestRecord[]> {
    const offsets = (await this.#log.topic(topic))?.offsets ?? []
    if (offsets.length === 0) return []
    const own = partitionForKey(Buffer.from(this.#id), offsets.length)
    const others = isEntrance ? offsets.keys().filter((partition) => partition !== own) : []
    for (const partition of [own, ...others]) {
      const { start, end } = offsets[partition] ?? { start: 0, end: 0 }
      const found = await this.#inPartition({ topic, partition, start, end, isEntrance }, time)
      if (found.length > 0) return found
    }
    return []
  }

  /**
   * All records in a topic whose key is the request id and that were written in this time, in epoch ms. Each has the time at which it was written, so it
   * need not be that of the request.
   */
  async written(topic: string, { from, to }: { readonly from: number; readonly to: number }): Promise<readonly LogRecord[]> {
    const offsets = (await this.#log.topic(topic))?.offsets ?? []
    const partition = partitionForKey(Buffer.from(this.#id), Math.max(1, offsets.length))
    const { start, end } = offsets[partition] ?? { start: 0, end: 0 }
    const begin = Math.max(start, (await this.#log.offsetAt?.({ topic, partition }, from - clockSkewMs)) ?? start)
    const found: LogRecord[] = []
    if (begin >= end) return found
    await eachRun(this.#log.read({ topic, partition, from: begin, to: end, skipsLargeValues: true }), async ({ records }) => {
      for (const record of records) {
        if (this.#left-- <= 0) {
          this.#isCut = true
          return 'stop'
        }
        if (record.timestamp > to + clockSkewMs) return 'stop'
        if (this.#isOwn(record, { topic, partition, isEntrance: false })) found.push(record)
      }
      if (this.#clock.elapsedMs() < this.#until) return 'go on'
      this.#isCut = true
      return 'stop'
    })
    return found
  }

  async #inPartition(place: SoughtPartition, time: SoughtTime): Promise<readonly RequestRecord[]> {
    let { end } = place
    for (const from of this.#times(time)) {
      const { topic, partition } = place
      const found = from === null ? place.start : await this.#log.offsetAt?.({ topic, partition }, from)
      const begin = Math.max(place.start, found ?? place.start)
      if (begin < end) {
        const records = await this.#scan({ ...place, start: begin, end }, time)
        if (records.length > 0 || this.#isCut) return records
        end = begin
      }
    }
    return []
  }

  /** The times at which the search begins, tried one after the other; null for the start of the partition. */
  #times(time: SoughtTime): readonly (number | null)[] {
    if (time === null) {
      const now = this.#clock.now()
      return [now - 60_000, now - 600_000, now - 3_600_000, null]
    }
    if ('since' in time) return [time.since - 1000, time.since - disorderMs]
    const at = 'exact' in time ? time.exact : time.about
    return 'exact' in time ? [at - 1000, at - disorderMs] : [at - 1000, at - disorderMs, null]
  }

  async #scan({ topic, partition, start, end, isEntrance }: SoughtPartition, time: SoughtTime): Promise<readonly RequestRecord[]> {
    const found: RequestRecord[] = []
    const latest = time === null ? Number.POSITIVE_INFINITY : timeIn(time) + disorderMs
    const earliest = time !== null && 'since' in time ? time.since : Number.NEGATIVE_INFINITY
    let after = 0
    const reader = this.#log.read({ topic, partition, from: start, to: end, skipsLargeValues: true })
    await eachRun(reader, async ({ records }) => {
      for (const record of records) {
        if (this.#left-- <= 0) {
          this.#isCut = true
          return 'stop'
        }
        if (record.timestamp >= earliest && this.#isOwn(record, { topic, partition, isEntrance })) {
          found.push({ topic, partition, record })
          // The log may contain a repeated record soon after the first, and a loop of bees writes a record in each round. In these cases the search
          // continues.
          if (!this.#log.traits.repeatsRecords && headerText(record.headers, roundsHeader) === null) return 'stop'
        } else if (found.length > 0 && ++after >= repeatsWithin) return 'stop'
        if (record.timestamp > latest && ++after >= repeatsWithin) return 'stop'
      }
      if (this.#clock.elapsedMs() < this.#until) return 'go on'
      this.#isCut = true
      return 'stop'
    })
    return found
  }

  #isOwn(
    { key, headers, offset }: LogRecord,
    { topic, partition, isEntrance }: Pick<SoughtPartition, 'topic' | 'partition' | 'isEntrance'>,
  ): boolean {
    if (!isEntrance) return key !== null && this.#id.length === key.length && Buffer.from(key).toString() === this.#id
    const given = headerText(headers, requestIdHeader)
    return (given ?? derivedRequestId({ topic, partition, offset: BigInt(offset) })) === this.#id
  }
}

function timeIn(time: NonNullable<SoughtTime>): number {
  return 'exact' in time ? time.exact : 'about' in time ? time.about : time.since
}

interface SoughtPartition {
  readonly topic: string
  readonly partition: number
  readonly start: number
  readonly end: number
  readonly isEntrance: boolean
}

/**
 * The longest disorder of records. They are written in the order in which bees finish, so a record with an older timestamp may come after a record
 * with a newer timestamp.
 */
const disorderMs = 60_000
/** The clocks of two processes may differ by this much. */
const clockSkewMs = 2000
/** The number of further records among which a repeated record is searched. */
const repeatsWithin = 1000
