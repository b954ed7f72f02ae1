import { partitionForKey } from '../../topology/partitioner.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import type { PartsRun, PublishedParts, PublishingCall } from '../../topology/swarm/ports/published-parts.ts'
import { decodedPart, type PartRecord, PartSequence, partHeaders, partRecordOf, unknownTime } from '../../topology/swarm/request/part.ts'
import { bytesIn, type Clock, DamagedValue, type Log, type LogRecord, type Producer, type Random } from '../ports.ts'
import { PartStarts } from './part-starts.ts'

export interface PartLogOptions {
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly topic: string
  readonly partitions: number
  /** The gateways whose requests carry the time at which Waggle took them. The time of any other request comes from another program. */
  readonly gateways: ReadonlySet<string>
  /** The producer that all swarms of the process share. */
  readonly producer: () => Promise<Producer>
}

/** The parts that a bee has published. */
export interface PartCount {
  readonly parts: number
  readonly bytes: number
}

/**
 * The parts of a swarm's results, on a topic of their own. Parts do not wait for the commit of the bee's task, because the caller gets them while the
 * bee works. The first record of a run makes the later parts of all other runs of the same call void. So a bee whose task has moved to another
 * process can publish no more parts.
 */
export class PartLog implements PublishedParts {
  readonly #options: PartLogOptions
  /** Only on a log of one process: the end of each partition at the time when this object first needed it, and that time. */
  readonly #opened = new Map<number, Promise<{ readonly end: number; readonly at: number }>>()
  /** The calls that have begun here, the oldest first. */
  readonly #begun = new Set<string>()
  readonly #starts: PartStarts
  readonly #published = new Map<string, PartCount>()

  constructor(options: PartLogOptions) {
    this.#options = options
    this.#starts = new PartStarts(options.log, options.topic)
  }

  /** The parts that bees of this process have published, by bee. A bee that has published none is missing. */
  get published(): ReadonlyMap<string, PartCount> {
    return this.#published
  }

  async begin(given: PublishingCall): Promise<PartsRun> {
    const call = this.#options.gateways.has(given.gateway ?? '') ? given : { ...given, since: unknownTime }
    const { random, producer, log, clock, topic, partitions } = this.#options
    const to = await producer()
    const run = Buffer.from(random.bytes(8)).toString('hex')
    const send = (number: PartRecord['number'], part: Payload | null, value: Uint8Array | null = null) =>
      to.send({
        ...placeOf(call.id, { topic, partitions }),
        key: Buffer.from(call.id),
        value,
        headers: partHeaders(call, run, number, part),
        timestamp: clock.now(),
      })
    const earlierThan = await this.#earlierThan(call)
    const { offset } = await send('begin', null)
    const sequence = new PartSequence()
    const before: Payload[] = []
    const sought = {
      ...placeOf(call.id, { topic, partitions }),
      id: call.id,
      since: call.since,
      to: Math.min(offset < 0 ? Number.POSITIVE_INFINITY : offset, earlierThan),
      starts: this.#starts,
    }
    const { records, isCut } = earlierThan === 0 ? nothing : await partRecords(log, sought)
    let isTorn = false
    /** The highest number of a part whose previous part is missing. A failed write leaves such a gap too. */
    let missing = -1
    for (const { record, part } of records) {
      if (part.bee !== call.bee || part.rounds !== call.rounds) continue
      if (part.number !== 'begin' && !sequence.hasBegun(call)) {
        if (part.number === 'fail') return silent
        isTorn = true
      }
      const counts = sequence.take(part)
      if (counts === 'missing' && isCut && typeof part.number === 'number') missing = Math.max(missing, part.number)
      const payload = counts === true ? payloadIn(record) : null
      if (payload !== null) before.push(payload)
    }
    if (sequence.hasFailed(call)) return silent
    return {
      before: isTorn || missing >= before.length ? null : before,
      add: async (number, part) => {
        const value = payloadSerde.serialize('', part)
        await send(number, part, value)
        this.#count(call.bee, value.byteLength)
      },
      fail: async () => void (await send('fail', null)),
    }
  }

  #count(bee: string, byteLength: number): void {
    const { parts, bytes } = this.#published.get(bee) ?? { parts: 0, bytes: 0 }
    this.#published.set(bee, { parts: parts + 1, bytes: bytes + byteLength })
  }

  /**
   * Parts of an earlier run of this call can only lie before this offset. On a log of one process, no other process runs the call. If the call begins
   * here for the first time, its earlier parts were written before this process started. A request that is younger than the process has no earlier
   * parts. On Kafka another process may have run any call.
   */
  async #earlierThan({ bee, id, rounds, since }: PublishingCall): Promise<number> {
    const { log, clock, topic, partitions } = this.#options
    if (log.traits.repeatsRecords) return Number.POSITIVE_INFINITY
    const { partition } = placeOf(id, { topic, partitions })
    const opening = this.#opened.get(partition) ?? log.topic(topic).then((info) => ({ end: info?.offsets[partition]?.end ?? 0, at: clock.now() }))
    this.#opened.set(partition, opening)
    const { end, at } = await opening.catch((error: unknown) => {
      this.#opened.delete(partition)
      throw error
    })
    const key = `${bee}@${rounds}@${id}`
    if (this.#begun.has(key)) return Number.POSITIVE_INFINITY
    this.#begun.add(key)
    const [oldest] = this.#begun
    if (this.#begun.size > maxBegun && oldest !== undefined) this.#begun.delete(oldest)
    return since !== unknownTime && since > at + clockSkewMs ? 0 : end
  }
}

/** The most calls that are remembered as begun. A call that is run again is run again soon, so older calls are forgotten. */
const maxBegun = 100_000

const nothing: FoundParts = { records: [], isCut: false }

/** A run of a call whose request has failed before. Nobody gets its parts. */
const silent: PartsRun = { before: [], add: async () => {}, fail: async () => {} }

/** The partition with the parts of a request. */
export function placeOf(id: string, { topic, partitions }: { readonly topic: string; readonly partitions: number }) {
  return { topic, partition: partitionForKey(Buffer.from(id), partitions) }
}

export interface SoughtParts {
  readonly topic: string
  readonly partition: number
  readonly id: string
  /** The time of the request, in epoch ms; `unknownTime` if nobody knows it. */
  readonly since: number
  /** Tells where the search begins if the time is unknown. */
  readonly starts: PartStarts
  /** The search ends before this offset. Default: the end of the partition. */
  readonly to?: number
}

/** The records about the parts of a request. */
export interface FoundParts {
  /** The records, in the order of the log. */
  readonly records: readonly FoundPart[]
  /** True if the log may have deleted records about the request. */
  readonly isCut: boolean
}

export interface FoundPart {
  readonly record: LogRecord
  readonly part: PartRecord
}

export async function partRecords(log: Log, { topic, partition, id, since, starts, to }: SoughtParts): Promise<FoundParts> {
  const offsets = (await log.topic(topic))?.offsets[partition]
  const end = to === undefined || to === Number.POSITIVE_INFINITY ? (offsets?.end ?? 0) : to
  const start = offsets?.start ?? 0
  const search = () =>
    since === unknownTime ? starts.startOf(partition, id, { start, end }) : log.offsetAt?.({ topic, partition }, since - clockSkewMs)
  const from = Math.max(start, (await search()) ?? start)
  const isCut = start > 0 && (from === start || since === unknownTime)
  const found: FoundPart[] = []
  if (from >= end) return { records: found, isCut }
  const key = Buffer.from(id)
  for await (const { records } of log.read({ topic, partition, from, to: end })) {
    for (const record of records) {
      const part = record.key !== null && key.equals(record.key) ? partRecordOf(record.headers) : null
      if (part !== null) found.push({ record, part })
    }
  }
  return { records: found, isCut }
}

/** The payload of a part; null for a record without one, and for one that cannot be read. */
export function payloadIn({ value, headers }: LogRecord): Payload | null {
  return value === null || value instanceof DamagedValue ? null : decodedPart(bytesIn(value), headers)
}

/**
 * The search begins this much earlier than the request, because the clocks of two processes may differ. If the clocks differ by more, earlier parts
 * are not compared with the parts of the new run. Each number is still published only once.
 */
const clockSkewMs = 2_000
