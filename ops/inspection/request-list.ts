import type { Clock, Log, LogRecord } from '../../processor/ports.ts'
import { derivedRequestId } from '../../processor/swarm/accept-step.ts'
import { headerText } from '../../topology/record.ts'
import type { ListedRequest, RequestListOptions, RequestPage } from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { errorHeader, finishedHeader, gatewayHeader, requestIdHeader } from '../../topology/swarm/request/headers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { eachRun } from './topic-pages.ts'
import { errorIn, numberIn } from './trace-steps.ts'

interface RequestListDependencies {
  readonly log: Log
  readonly clock: Clock
  readonly plans: readonly SwarmPlan[]
  /** The ids that requests with this idempotency key may have at a gateway, one for each possible caller. */
  readonly idsOfKey?: (gateway: string, key: string) => readonly string[]
  /** The time at which a request was accepted, if a ledger of this process knows it. */
  readonly acceptedAt?: (id: string) => number | null
}

/**
 * The requests of the swarms of this process, the newest first, from the topics of gateways and outcomes. A call reads at most `maxRecords` records
 * of each partition: the newest records within the wanted time. The time of a request is the time at which the request was accepted.
 */
export class RequestList {
  readonly #log: Log
  readonly #clock: Clock
  readonly #plans: readonly SwarmPlan[]
  readonly #idsOfKey: NonNullable<RequestListDependencies['idsOfKey']>
  readonly #acceptedAt: NonNullable<RequestListDependencies['acceptedAt']>

  constructor({ log, clock, plans, idsOfKey = () => [], acceptedAt = () => null }: RequestListDependencies) {
    this.#log = log
    this.#clock = clock
    this.#plans = plans
    this.#idsOfKey = idsOfKey
    this.#acceptedAt = acceptedAt
  }

  async page({ swarm, gateway, state, from, to, key, after, max }: RequestListOptions): Promise<RequestPage> {
    const cursor = after === null ? null : cursorIn(after)
    const until = Math.min(to ?? Number.POSITIVE_INFINITY, cursor?.acceptedAt ?? Number.POSITIVE_INFINITY)
    const since = from ?? 0
    const listed: ListedRequest[] = []
    for (const plan of this.#plans) {
      if (swarm !== null && plan.swarm !== swarm) continue
      if (key === null) listed.push(...(await this.#of(plan, { since, until })).values())
      else listed.push(...(await this.#withKey(plan, key, { since, until })))
    }
    const rows = listed
      .filter((row) => row.accepted_at >= since && row.accepted_at <= until && (cursor === null || newestFirst(cursorRow(cursor), row) < 0))
      .filter((row) => (gateway === null || row.gateway === gateway) && (state === null || row.state === state))
      .toSorted(newestFirst)
    const last = rows[max - 1]
    return { requests: rows.slice(0, max), next: rows.length > max && last !== undefined ? `${last.accepted_at}:${last.request_id}` : null }
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
    for (const { gateway, topic } of entrancesOf(plan))
      for (const { partition, record } of await this.#records(topic, time)) {
        // The readers of a record without the header derive an id from the record's place in the log.
        const id = headerText(record.headers, requestIdHeader) ?? derivedRequestId({ topic, partition, offset: BigInt(record.offset) })
        onKey(id, record.key === null ? null : Buffer.from(record.key).toString())
        rows.set(id, { request_id: id, swarm, gateway, state: 'pending', accepted_at: record.timestamp, finished_at: null, error: null })
      }
    // An outcome comes after its request was accepted, so outcomes are read up to a later time.
    const found = outcomesTopic === null ? [] : await this.#records(outcomesTopic, { since: time.since, until: time.until + outcomeWithinMs })
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

  /** The newest records of a topic between the two times, at most `maxRecords` of each partition. */
  async #records(topic: string, { since, until }: SoughtRange): Promise<readonly { readonly partition: number; readonly record: LogRecord }[]> {
    const found: { readonly partition: number; readonly record: LogRecord }[] = []
    for (const [partition, { start, end }] of ((await this.#log.topic(topic))?.offsets ?? []).entries()) {
      const at = async (time: number, otherwise: number) => (await this.#log.offsetAt?.({ topic, partition }, time)) ?? otherwise
      const to = until < this.#clock.now() ? Math.min(end, await at(until + 1, end)) : end
      const begin = Math.max(start, to - maxRecords, since > 0 ? await at(since - disorderMs, start) : start)
      if (begin >= to) continue
      await eachRun(this.#log.read({ topic, partition, from: begin, to, skipsLargeValues: true }), async ({ records }) => {
        for (const record of records) found.push({ partition, record })
        return 'go on'
      })
    }
    return found
  }
}

/** The wanted range of acceptance times, in epoch milliseconds. */
interface SoughtRange {
  readonly since: number
  readonly until: number
}

/** The topics of incoming requests, with the names of their gateways; null for the topic of another application. */
function entrancesOf({ gateways, subtopologies, topics }: SwarmPlan): readonly { readonly gateway: string | null; readonly topic: string }[] {
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
const disorderMs = 60_000
const outcomeWithinMs = 300_000
