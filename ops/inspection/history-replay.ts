import { createHash } from 'node:crypto'
import { eventLoopTurn } from '../../processor/event-loop-turn.ts'
import { type Clock, DamagedValue, type Log, type LogRecord, type Producer, type ProducerRecord, valueBytes } from '../../processor/ports.ts'
import { derivedRequestId } from '../../processor/swarm/accept-step.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { type Header, headerText, textHeader } from '../../topology/record.ts'
import type { ReplayedRequest, ReplayOptions, ReplayPage } from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import {
  asksHeader,
  correlationHeader,
  deadlineHeader,
  replayHeader,
  replyPrefix,
  requestIdHeader,
  springReplyPrefix,
} from '../../topology/swarm/request/headers.ts'
import { uuidOf } from '../../topology/uuid.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

interface HistoryReplayDependencies {
  readonly log: Log
  readonly clock: Clock
  /** The plans of the swarms that are known. */
  readonly plans: readonly SwarmPlan[]
  /** Makes the name of a replay. */
  readonly newId: () => string
}

/**
 * Sends the requests that a swarm's gateways had before to the swarm again, one page a call. Each becomes a new request: it has a new id, no deadline
 * and no caller, and its sinks write it again. The new id is made from the name of the replay and the old id, so a page that is sent twice is
 * computed once. Records that an earlier replay has written are left out.
 */
export class HistoryReplay {
  readonly #log: Log
  readonly #clock: Clock
  readonly #plans: readonly SwarmPlan[]
  readonly #newId: () => string
  #producer: Promise<Producer> | null = null

  constructor({ log, clock, plans, newId }: HistoryReplayDependencies) {
    this.#log = log
    this.#clock = clock
    this.#plans = plans
    this.#newId = newId
  }

  async page(swarm: string, options: ReplayOptions): Promise<ReplayPage> {
    const gateways = this.#gatewaysOf(swarm, options.gateway)
    const cursor = options.after === null ? null : cursorIn(options.after)
    const wanted = { ...options, replay: options.replay ?? this.#newId(), from: options.from ?? 0, to: options.to ?? this.#clock.now() }
    const page = new Page(wanted)
    let next: string | null = null
    for (const { gateway, topic } of gateways) {
      for (const [partition, { start, end }] of ((await this.#log.topic(topic))?.offsets ?? []).entries()) {
        if (cursor !== null && !page.hasBegun && (cursor.topic !== topic || cursor.partition !== partition)) continue
        const from = cursor?.topic === topic && cursor.partition === partition ? Math.max(start, cursor.offset) : start
        page.hasBegun = true
        const stopped = await this.#read({ gateway, topic, partition, from, end }, page)
        if (stopped === null) continue
        next = `${topic}:${partition}:${stopped}`
        break
      }
      if (next !== null) break
    }
    // Without this check, the page would be empty and say that every request has been sent.
    if (options.after !== null && !page.hasBegun) throw noPlace(options.after)
    if (!options.dry_run) await this.#send(page.records)
    const { requests, skipped } = page
    return { replay: wanted.replay, to: wanted.to, requests, skipped, next }
  }

  async close(): Promise<void> {
    await (await this.#producer)?.close()
  }

  #gatewaysOf(swarm: string, gateway: string | null): readonly Gateway[] {
    const plan = this.#plans.find((one) => one.swarm === swarm)
    if (plan === undefined) throw unknownSwarm(swarm)
    const gateways = plan.gateways.filter((one) => gateway === null || one.gateway === gateway)
    if (gateways.length > 0) return gateways
    const names = plan.gateways.map((one) => one.gateway)
    throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', {
      message: gateway === null ? `The swarm ${swarm} has no gateway, so it has no requests` : `The swarm ${swarm} has no gateway ${gateway}`,
      next: names.length === 0 ? 'Write the records of its input topic again with the program that wrote them.' : `Use one of: ${names.join(', ')}.`,
    })
  }

  /** Reads one partition. Returns the offset at which the next page goes on, or null at the partition's end. */
  async #read({ gateway, topic, partition, from, end }: ReadPartition, page: Page): Promise<number | null> {
    const found = page.since <= 0 ? from : ((await this.#log.offsetAt?.({ topic, partition }, page.since)) ?? from)
    const begin = Math.max(from, found)
    if (begin >= end) return null
    const reader = this.#log.read({ topic, partition, from: begin, to: end })
    try {
      for await (const { records } of reader) {
        for (const record of records) {
          if (record.offset >= end) return null
          if (page.isFull) return record.offset
          page.take(record, { gateway, topic, partition })
        }
        await eventLoopTurn()
      }
    } finally {
      await reader.close()
    }
    return null
  }

  async #send(records: readonly UnplacedRecord[]): Promise<void> {
    if (records.length === 0) return
    const { load, storage } = this.#log
    const refusal = load.pendingBytes >= load.maxPendingBytes ? 'The log has more to write than its bound allows' : (storage?.refusal ?? null)
    if (refusal !== null) throw new WaggleError('WAGGLE_OVERLOADED', { message: refusal, next: 'Send the page again in a moment.' })
    this.#producer ??= this.#log.producer()
    const producer = await this.#producer
    const counts = new Map<string, number>()
    for (const { topic } of records) if (!counts.has(topic)) counts.set(topic, (await this.#log.topic(topic))?.partitions ?? 1)
    const timestamp = this.#clock.now()
    await Promise.all(
      records.map((record) => producer.send({ ...record, partition: partitionForKey(record.key, counts.get(record.topic) ?? 1), timestamp })),
    )
  }
}

/** A record of a replay before its partition and its time are known. Its key is the new id. */
type UnplacedRecord = Omit<ProducerRecord, 'key' | 'partition' | 'timestamp'> & { readonly key: Uint8Array }

interface Gateway {
  readonly gateway: string
  readonly topic: string
}

interface ReadPartition extends Gateway {
  readonly partition: number
  readonly from: number
  readonly end: number
}

/** The records of one page. Their number, their bytes and the number of records that were read are bounded. */
class Page {
  readonly requests: ReplayedRequest[] = []
  readonly records: UnplacedRecord[] = []
  /** The number of records that are no requests to replay: those of earlier replays, damaged ones, and questions for a state. */
  skipped = 0
  hasBegun = false
  /** A record with an older timestamp than this one is before the range, also if records are not in the order of their times. */
  readonly since: number
  readonly #wanted: WantedPage
  #bytes = 0
  #read = 0

  constructor(wanted: WantedPage) {
    this.#wanted = wanted
    this.since = wanted.from - disorderMs
  }

  get isFull(): boolean {
    return this.requests.length >= this.#wanted.max || this.#bytes >= maxBytes || this.#read >= maxRead
  }

  take(record: LogRecord, { gateway, topic, partition }: Gateway & { readonly partition: number }): void {
    const { headers, value, timestamp, offset } = record
    const { from, to, replay } = this.#wanted
    this.#read++
    if (timestamp < from || timestamp > to) return
    const isRequest = headerText(headers, asksHeader) === null && headerText(headers, replayHeader) === null
    if (!isRequest || value instanceof DamagedValue) {
      this.skipped++
      return
    }
    const old = headerText(headers, requestIdHeader) ?? derivedRequestId({ topic, partition, offset: BigInt(offset) })
    const id = idOfReplay(replay, old)
    this.requests.push({ request_id: id, replay_of: old, gateway, accepted_at: timestamp })
    this.records.push({ topic, key: Buffer.from(id), value, headers: headersOfReplay(headers, { id, replay }) })
    this.#bytes += valueBytes(value)
  }
}

interface WantedPage {
  readonly replay: string
  readonly from: number
  readonly to: number
  readonly max: number
}

function idOfReplay(replay: string, old: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([replay, old]))
    .digest()
  return uuidOf(hash, 8)
}

/** The deadline of the old request has passed, and nobody waits for an answer of the new one on a reply topic. */
function headersOfReplay(headers: readonly Header[], { id, replay }: { readonly id: string; readonly replay: string }): readonly Header[] {
  const kept = headers.filter(({ key }) => !replacedHeaders.has(key) && !key.startsWith(replyPrefix) && !key.startsWith(springReplyPrefix))
  return [...kept, textHeader(requestIdHeader, id), textHeader(replayHeader, replay)]
}

const replacedHeaders: ReadonlySet<string> = new Set([deadlineHeader, requestIdHeader, correlationHeader])

function cursorIn(text: string): { readonly topic: string; readonly partition: number; readonly offset: number } {
  const [, topic, partition, offset] = /^([A-Za-z0-9._-]{1,255}):(\d{1,9}):(\d{1,15})$/.exec(text) ?? []
  if (topic !== undefined) return { topic, partition: Number(partition), offset: Number(offset) }
  throw noPlace(text)
}

function noPlace(text: string): WaggleError {
  return new WaggleError('WAGGLE_BAD_REQUEST', {
    message: `${JSON.stringify(text.slice(0, 100))} is not a place in this replay`,
    next: 'Give as after what the page before said in next, with the same swarm and gateway, or leave it out to begin at the first request.',
  })
}

function unknownSwarm(swarm: string): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_SWARM', {
    message: `No swarm ${swarm.slice(0, 255)} is known here`,
    next: 'Where its server runs, see `waggle swarms list`, and name the server with --url. Where none runs, give the path of the swarm file.',
  })
}

/** Records are written in about the order of their times. */
const disorderMs = 60_000
const maxBytes = 16 * 1024 * 1024
const maxRead = 20_000
