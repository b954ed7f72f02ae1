import { eventLoopTurn } from '../../processor/event-loop-turn.ts'
import { type Clock, type Log, type LogRecord, type Reader, type RecordRun, valueBytes } from '../../processor/ports.ts'
import type { PageOptions, RecordPage, ShownRecord, TopicRow } from '../../topology/swarm/log-management.ts'
import { idSecretTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { PageSize } from './page-size.ts'
import { type ShownValues, textOrCount } from './shown-values.ts'

/** The records of topics, in pages of limited size. */
export class TopicPages {
  readonly #log: Log
  readonly #clock: Clock
  readonly #values: ShownValues
  /** Functions that end the calls that wait for a record. */
  readonly #waits = new Set<() => void>()
  #isClosed = false

  constructor({ log, clock, values }: { readonly log: Log; readonly clock: Clock; readonly values: ShownValues }) {
    this.#log = log
    this.#clock = clock
    this.#values = values
  }

  async topics(): Promise<readonly TopicRow[]> {
    const rows: TopicRow[] = []
    for (const name of (await this.#log.topics()).toSorted()) {
      const info = await this.#log.topic(name)
      if (info === null) continue
      const { partitions, cleanup, retentionMs, offsets } = info
      rows.push({ name, partitions, cleanup, retention_ms: retentionMs, offsets: offsets.map(({ start, end }) => ({ start, end })) })
    }
    return rows
  }

  async page(topic: string, { from, max, waitMs }: PageOptions): Promise<RecordPage> {
    const info = await this.#log.topic(topic)
    if (info === null) throw missing(topic)
    const next = positionsOf(from, info.offsets)
    const ends = info.offsets.map(({ end }) => end)
    const page = new Page(max)
    const ready = ends.flatMap((end, partition) => ((next[partition] ?? 0) < end ? [partition] : []))
    const quota = Math.ceil(max / Math.max(1, ready.length))
    for (const partition of ready) {
      const reader = this.#log.read({ topic, partition, from: next[partition] ?? 0, to: ends[partition] ?? 0 })
      let left = quota
      await eachRun(reader, async ({ records }) => {
        for (const record of records) {
          if (left-- <= 0 || page.isFull) return 'stop'
          page.add(await this.#shown(topic, partition, record), record)
          next[partition] = record.offset + 1
        }
        return 'go on'
      })
      // The position moves to the end of the partition, because offsets after the last record may belong to transaction markers and to records that
      // compaction removed.
      if (left > 0 && !page.isFull) next[partition] = Math.max(next[partition] ?? 0, ends[partition] ?? 0)
    }
    if (ready.length === 0 && waitMs > 0) {
      const run = await this.#firstRun(topic, next, waitMs)
      for (const record of run?.records ?? []) {
        if (run === null || page.isFull) break
        page.add(await this.#shown(topic, run.partition, record), record)
        next[run.partition] = record.offset + 1
      }
    }
    return { records: page.records, next: next.map((offset, partition) => `${partition}:${offset}`).join(',') }
  }

  close(): void {
    this.#isClosed = true
    for (const end of this.#waits) end()
  }

  /** Waits for the next records in any partition, and returns them as a run; null after `waitMs`. */
  async #firstRun(topic: string, from: readonly number[], waitMs: number): Promise<RecordRun | null> {
    if (this.#isClosed) return null
    if (this.#waits.size >= maxWaits) {
      throw new WaggleError('WAGGLE_OVERLOADED', { message: `${maxWaits} calls wait for records`, next: 'Ask again in a moment.' })
    }
    const readers = from.map((offset, partition) => this.#log.read({ topic, partition, from: offset }))
    let end = () => {}
    const ended = new Promise<null>((resolve) => {
      end = () => resolve(null)
    })
    this.#waits.add(end)
    const cancel = this.#clock.after(waitMs, end)
    try {
      const come = readers.map(async (reader) => {
        for await (const run of reader) if (run.records.length > 0) return run
        return ended
      })
      return await Promise.race([ended, ...come])
    } finally {
      cancel()
      this.#waits.delete(end)
      end()
      await Promise.all(readers.map((reader) => reader.close()))
    }
  }

  async #shown(topic: string, partition: number, record: LogRecord): Promise<ShownRecord> {
    const { offset, timestamp, key, headers } = record
    return {
      topic,
      partition,
      offset,
      timestamp,
      key: key === null ? null : textOrCount(key),
      headers: Object.fromEntries(headers.map((header) => [header.key, header.value === null ? null : textOrCount(header.value)])),
      // The secret for request ids is not shown, because a person who knows it could compute the ids of other callers' requests.
      value: topic === idSecretTopic ? '<hidden>' : await this.#values.text(topic, record, maxValueCharacters),
    }
  }
}

/**
 * Passes the runs of a reader to `take` until `take` returns 'stop'. After each run, other work of the event loop gets a turn. Closes the reader at
 * the end.
 */
export async function eachRun(reader: Reader, take: (run: RecordRun) => Promise<'go on' | 'stop'>): Promise<void> {
  try {
    for await (const run of reader) {
      if ((await take(run)) === 'stop') return
      await eventLoopTurn()
    }
  } finally {
    await reader.close()
  }
}

function missing(topic: string): WaggleError {
  return new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${topic} does not exist`, next: 'See `waggle topics list`.' })
}

/** The records of one page. Their number and their size are bounded. */
class Page {
  readonly records: ShownRecord[] = []
  readonly #max: number
  readonly #size = new PageSize()

  constructor(max: number) {
    this.#max = max
  }

  get isFull(): boolean {
    return this.records.length >= this.#max || this.#size.isFull
  }

  add(shown: ShownRecord, record: LogRecord): void {
    this.records.push(shown)
    this.#size.add(shown, valueBytes(record.value))
  }
}

/** The first offset to read in each partition. A partition that the cursor does not name is new, and is read from its start. */
function positionsOf(from: string, offsets: readonly { readonly start: number; readonly end: number }[]): number[] {
  if (from === 'start') return offsets.map(({ start }) => start)
  if (from === 'end') return offsets.map(({ end }) => end)
  const named = new Map<number, number>()
  for (const part of from.split(',')) {
    const [, partition, offset] = /^(\d{1,9}):(\d{1,15})$/.exec(part) ?? []
    if (partition === undefined || offset === undefined) {
      throw new WaggleError('WAGGLE_BAD_REQUEST', {
        message: `${JSON.stringify(from.slice(0, 100))} is not a place in a topic`,
        next: 'Give start, end, or what the page before said in next.',
      })
    }
    named.set(Number(partition), Number(offset))
  }
  return offsets.map(({ start }, partition) => Math.max(start, named.get(partition) ?? start))
}

const maxWaits = 32
const maxValueCharacters = 64 * 1024
