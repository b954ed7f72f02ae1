import { eventLoopTurn } from '../../processor/event-loop-turn.ts'
import type { Clock, Log, LogRecord } from '../../processor/ports.ts'
import { derivedRequestId } from '../../processor/swarm/accept-step.ts'
import { headerText } from '../../topology/record.ts'
import type { ListedRequest, RequestListOptions, RequestPage } from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { errorHeader, finishedHeader, gatewayHeader, requestIdHeader } from '../../topology/swarm/request/headers.ts'
import type { RequestEntry } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { errorIn, numberIn } from './trace-steps.ts'

export interface RequestListDependencies {
  readonly log: Log
  readonly clock: Clock
  readonly plans: readonly SwarmPlan[]
  /** The ids that requests with this idempotency key may have at a gateway, one for each possible caller. */
  readonly idsOfKey?: (gateway: string, key: string) => readonly string[]
  /** The time at which a request was accepted, if a ledger of this process knows it. */
  readonly acceptedAt?: (id: string) => number | null
  /**
   * The entry of a request in the ledger of a swarm; null if the ledger does not know the request. Undefined if the ledger may be in another process.
   */
  readonly ledgerEntry?: (swarm: string, id: string) => Pick<RequestEntry, 'state' | 'settledAt'> | null | undefined
}

/**
 * The requests of the swarms of this process, the newest first, from the topics of gateways and outcomes. A call reads at most `maxRecords` records
 * of each partition: the newest records within the wanted time. The time of a request is the time at which the request was accepted.
 *
 * A page of all requests needs only the newest records of the gateways, as many as the page has, if the ledgers of this process know the outcomes.
 */
export class RequestList {
  readonly #log: Log
  readonly #clock: Clock
  readonly #plans: readonly SwarmPlan[]
  readonly #idsOfKey: NonNullable<RequestListDependencies['idsOfKey']>
  readonly #acceptedAt: NonNullable<RequestListDependencies['acceptedAt']>
  readonly #ledgerEntry: NonNullable<RequestListDependencies['ledgerEntry']>

  constructor({ log, clock, plans, idsOfKey = () => [], acceptedAt = () => null, ledgerEntry = () => undefined }: RequestListDependencies) {
    this.#log = log
    this.#clock = clock
    this.#plans = plans
    this.#idsOfKey = idsOfKey
    this.#acceptedAt = acceptedAt
    this.#ledgerEntry = ledgerEntry
  }

  async page(options: RequestListOptions): Promise<RequestPage> {
    const { swarm, from, to, key, after } = options
    const cursor = after === null ? null : cursorIn(after)
    const until = Math.min(to ?? Number.POSITIVE_INFINITY, cursor?.acceptedAt ?? Number.POSITIVE_INFINITY)
    const wanted = { ...options, cursor, since: from ?? 0, until }
    const plans = this.#plans.filter((plan) => swarm === null || plan.swarm === swarm)
    const newest = await this.#newest(plans, wanted)
    if (newest !== null) return newest
    const listed: ListedRequest[] = []
    for (const plan of plans) {
      if (key === null) listed.push(...(await this.#of(plan, wanted)).values())
      else listed.push(...(await this.#withKey(plan, key, wanted)))
    }
    return pageOf(listed, wanted)
  }

  /**
   * The page from the newest records of the gateways and from the ledgers. Null if these are not enough: for a page of some requests only, if there
   * are fewer requests than the page has room for, if a ledger does not know an outcome, and if a request has failed. Only outcomes have errors.
   */
  async #newest(plans: readonly SwarmPlan[], wanted: WantedPage): Promise<RequestPage | null> {
    const { key, state, gateway, max } = wanted
    if (key !== null || state !== null || plans.some(({ repliesTopic }) => repliesTopic !== null)) return null
    const listed: ListedRequest[] = []
    let completeFrom = Number.NEGATIVE_INFINITY
    for (const plan of plans) {
      const rows = new Map<string, ListedRequest>()
      for (const entrance of entrancesOf(plan)) {
        if (gateway !== null && entrance.gateway !== gateway) continue
        const entered = await this.#entered(plan, entrance, { ...wanted, most: max + spareRecords })
        for (const { row } of entered.requests) rows.set(row.request_id, row)
        completeFrom = Math.max(completeFrom, entered.completeFrom)
      }
      listed.push(...rows.values())
    }
    const { requests, next } = pageOf(listed, wanted)
    if (next === null || (requests.at(-1)?.accepted_at ?? completeFrom) <= completeFrom) return null
    const known: ListedRequest[] = []
    for (const row of requests) {
      const entry = this.#ledgerEntry(row.swarm, row.request_id)
      if (entry === undefined || entry?.state === 'failed') return null
      // The ledger learns of a request a moment after its record. It forgets a request before the log forgets the record.
      if (entry === null && row.accepted_at < this.#clock.now() - learnedWithinMs) return null
      known.push(entry === null ? row : { ...row, state: entry.state, finished_at: entry.settledAt })
    }
    await this.#log.durable?.()
    return { requests: known, next }
  }

  /**
   * The requests with this idempotency key, and the requests whose record in an entrance's topic has this key. If a ledger knows the time of such a
   * request, only records of that time are read.
   */
  async #withKey(plan: SwarmPlan, key: string, time: SoughtRange): Promise<readonly ListedRequest[]> {
    const ids = new Set(plan.gateways.flatMap(({ gateway }) => this.#idsOfKey(gateway, key)))
    const times = [...ids].flatMap((id) => this.#acceptedAt(id) ?? [])
    const keyed = new Set<string>(ids)
    const own = await this.#of(plan, time, (id, recordKey) => void (recordKey === key && keyed.add(id)))
    const older = await Promise.all(times.map((at) => this.#of(plan, { since: at, until: at })))
    return [...new Map([...older.flatMap((rows) => [...rows]), ...own])].flatMap(([id, row]) => (keyed.has(id) ? [row] : []))
  }

  /** `onKey` is called with the key of each record of an entrance's topic. */
  async #of(
    plan: SwarmPlan,
    time: SoughtRange,
    onKey: (id: string, key: string | null) => void = () => {},
  ): Promise<ReadonlyMap<string, ListedRequest>> {
    const { swarm, outcomesTopic } = plan
    const rows = new Map<string, ListedRequest>()
    for (const entrance of entrancesOf(plan))
      for (const { row, key } of (await this.#entered(plan, entrance, time)).requests) {
        onKey(row.request_id, key === null ? null : Buffer.from(key).toString())
        rows.set(row.request_id, row)
      }
    // An outcome comes after its request was accepted, so outcomes are read up to a later time.
    const outcomes = { since: time.since, until: time.until + outcomeWithinMs }
    const found = outcomesTopic === null ? [] : (await this.#records(outcomesTopic, outcomes)).found
    for (const { record } of found) {
      const id = record.key === null ? null : Buffer.from(record.key).toString()
      if (id === null) continue
      const before = rows.get(id)
      const error = errorIn(record)
      rows.set(id, {
        request_id: id,
        swarm,
        gateway: before?.gateway ?? headerText(record.headers, gatewayHeader),
        state: headerText(record.headers, errorHeader) === null ? 'answered' : 'failed',
        // The outcome of a missed deadline has the time of the deadline as its timestamp, so the time of the request's own record takes precedence.
        accepted_at: before?.accepted_at ?? record.timestamp,
        finished_at: numberIn(headerText(record.headers, finishedHeader)),
        error,
      })
    }
    return rows
  }

  /** The requests in the topic of an entrance, as if none of them had an outcome, with the keys of their records. */
  async #entered({ swarm }: SwarmPlan, { gateway, topic }: Entrance, range: SoughtRange) {
    const { found, completeFrom } = await this.#records(topic, range)
    const requests = found.map(({ partition, record: { headers, offset, timestamp, key } }) => {
      // The readers of a record without the header derive an id from the record's place in the log.
      const id = headerText(headers, requestIdHeader) ?? derivedRequestId({ topic, partition, offset: BigInt(offset) })
      const row: ListedRequest = { request_id: id, swarm, gateway, state: 'pending', accepted_at: timestamp, finished_at: null, error: null }
      return { row, key }
    })
    return { requests, completeFrom }
  }

  /**
   * The newest records of a topic between the two times, at most `most` of each partition. All records with a later timestamp than `completeFrom` are
   * among them.
   */
  async #records(topic: string, { since, until, most = maxRecords }: SoughtRange): Promise<FoundRecords> {
    const found: FoundRecord[] = []
    let completeFrom = Number.NEGATIVE_INFINITY
    let turnedAt = 0
    for (const [partition, { start, end }] of ((await this.#log.topic(topic))?.offsets ?? []).entries()) {
      const at = async (time: number, otherwise: number) => (await this.#log.offsetAt?.({ topic, partition }, time)) ?? otherwise
      const to = until < this.#clock.now() ? Math.min(end, await at(until + 1, end)) : end
      const first = Math.max(start, since > 0 ? await at(since - disorderMs, start) : start)
      const begin = Math.max(first, to - most)
      if (begin >= end) continue
      const before = found.length
      const reader = this.#log.read({ topic, partition, from: begin, to: end, skipsLargeValues: true })
      try {
        let isPast = false
        for await (const { records } of reader) {
          for (const record of records) {
            // Records of the wanted time may also come shortly after `to`, because the log finds a time only by runs of records.
            isPast ||= record.offset >= to && record.timestamp > until
            if (!isPast) found.push({ partition, record })
          }
          if (isPast) break
          if (found.length - turnedAt >= recordsATurn) {
            await eventLoopTurn()
            turnedAt = found.length
          }
        }
      } finally {
        await reader.close()
      }
      if (begin > first) completeFrom = Math.max(completeFrom, found[before]?.record.timestamp ?? until)
    }
    return { found, completeFrom }
  }
}

/** The wanted range of acceptance times, in epoch milliseconds. */
interface SoughtRange {
  readonly since: number
  readonly until: number
  /** The most records of each partition. Default: `maxRecords`. */
  readonly most?: number
}

interface FoundRecord {
  readonly partition: number
  readonly record: LogRecord
}

interface FoundRecords {
  readonly found: readonly FoundRecord[]
  /** An epoch time in ms. */
  readonly completeFrom: number
}

interface WantedPage extends RequestListOptions, SoughtRange {
  readonly cursor: Cursor | null
}

/** The rows of a page among the requests that were read. */
function pageOf(listed: readonly ListedRequest[], { gateway, state, since, until, cursor, max }: WantedPage): RequestPage {
  const rows = listed
    .filter((row) => row.accepted_at >= since && row.accepted_at <= until && (cursor === null || newestFirst(cursorRow(cursor), row) < 0))
    .filter((row) => (gateway === null || row.gateway === gateway) && (state === null || row.state === state))
    .toSorted(newestFirst)
  const last = rows[max - 1]
  return { requests: rows.slice(0, max), next: rows.length > max && last !== undefined ? `${last.accepted_at}:${last.request_id}` : null }
}

interface Entrance {
  readonly gateway: string | null
  readonly topic: string
}

/** The topics of incoming requests, with the names of their gateways; null for the topic of another application. */
function entrancesOf({ gateways, subtopologies, topics }: SwarmPlan): readonly Entrance[] {
  const foreign = subtopologies.flatMap(({ steps, sources }) =>
    steps.some(({ kind }) => kind === 'accept') ? sources.filter((name) => topics.some((topic) => topic.name === name && topic.isForeign)) : [],
  )
  return [...gateways, ...foreign.map((topic) => ({ gateway: null, topic }))]
}

function newestFirst(a: ListedRequest, b: ListedRequest): number {
  if (a.accepted_at !== b.accepted_at) return b.accepted_at - a.accepted_at
  return a.request_id < b.request_id ? 1 : a.request_id > b.request_id ? -1 : 0
}

interface Cursor {
  readonly acceptedAt: number
  readonly id: string
}

function cursorIn(text: string): Cursor {
  const [, time, id] = /^(\d{1,15}):([\x21-\x7e]{1,512})$/.exec(text) ?? []
  if (time !== undefined && id !== undefined) return { acceptedAt: Number(time), id }
  throw new WaggleError('WAGGLE_BAD_REQUEST', {
    message: `${JSON.stringify(text.slice(0, 100))} is not a place in a list of requests`,
    next: 'Give as after what the page before said in next.',
  })
}

function cursorRow({ acceptedAt, id }: Cursor): ListedRequest {
  return { request_id: id, swarm: '', gateway: null, state: 'pending', accepted_at: acceptedAt, finished_at: null, error: null }
}

const maxRecords = 2000
/** The number of records that a page reads from each partition, in addition to the number of rows that the page shows. */
const spareRecords = 64
/** Other work of the event loop gets a turn after this number of records. */
const recordsATurn = 500
/** The longest time until the ledger knows a request that is in the log. */
const learnedWithinMs = 5000
const disorderMs = 60_000
const outcomeWithinMs = 300_000
