import {
  type AssignmentListener,
  type Clock,
  type Consumer,
  type LogRecord,
  type Position,
  partitionName,
  type RecordRun,
  type Subscription,
  type TopicPartition,
} from '../../../processor/ports.ts'
import { InterruptibleWait } from '../../../topology/interruptible-wait.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { PortPeer } from '../../system/port-peer.ts'
import type { LogCalls, PolledRuns } from './protocol.ts'
import { unpackRuns } from './record-wire.ts'

interface RemoteConsumerOptions {
  readonly peer: PortPeer<LogCalls>
  readonly clock: Clock
  readonly listener: AssignmentListener
  readonly outOfRange: Subscription['outOfRange'] | null
  closed(): void
}

/** A notice about partitions from the log's thread. The poll in the log's thread waits until a poll in this thread has called the listener. */
interface Told {
  readonly kind: keyof AssignmentListener
  readonly partitions: readonly TopicPartition[]
  done(): void
  failed(error: unknown): void
}

interface Known {
  /** Runs that have arrived and that `poll` has not returned yet. */
  runs: (readonly LogRecord[])[]
  paused: boolean
  /** True if the log's thread has said that the partition has more records. */
  hasMore: boolean
  /** The number of seeks. Runs from before the last seek are ignored. */
  seeks: number
}

/**
 * A group member in a thread without the log. While its buffer has room, it keeps one poll open in the log's thread, so that records arrive here
 * before they are polled.
 */
export class RemoteConsumer implements Consumer {
  readonly #number: number
  readonly #options: RemoteConsumerOptions
  readonly #known = new Map<string, Known & TopicPartition>()
  #told: Told[] = []
  #isAsking = false
  #failure: unknown = null
  readonly #wait: InterruptibleWait
  #next = 0
  #isClosed = false

  constructor(number: number, options: RemoteConsumerOptions) {
    this.#number = number
    this.#options = options
    this.#wait = new InterruptibleWait(options.clock)
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    await this.#catchUp()
    const runs = this.#take(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#wait.takeWakeup()) return runs
    await this.#wait.for(maxWaitMs)
    this.#wait.takeWakeup()
    await this.#catchUp()
    return this.#take(maxRecords)
  }

  wakeup(): void {
    this.#wait.wakeup()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const one of partitions) {
      const known = this.#of(one)
      known.paused = true
      // The log's thread sends no updates about a paused partition, so the partition may have more records.
      known.hasMore = true
    }
    this.#options.peer.tell('pause', { consumer: this.#number, partitions: partitions.map(named) })
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const one of partitions) this.#of(one).paused = false
    this.#options.peer.tell('resume', { consumer: this.#number, partitions: partitions.map(named) })
    this.wakeup()
  }

  hasMore(partition: TopicPartition): boolean {
    const known = this.#known.get(partitionName(partition))
    return known !== undefined && (known.runs.length > 0 || known.hasMore)
  }

  endOf(): null {
    return null
  }

  committed({ topic, partition }: TopicPartition): Promise<Position | null> {
    return this.#options.peer.call('committed', { consumer: this.#number, topic, partition })
  }

  seek({ topic, partition }: TopicPartition, offset: number): void {
    const known = this.#of({ topic, partition })
    known.runs = []
    known.seeks++
    this.#options.peer.tell('seek', { consumer: this.#number, topic, partition, offset, seeks: known.seeks })
  }

  rejoin(): void {}

  outOfRange(place: TopicPartition, offset: number): Promise<number> {
    return this.#options.outOfRange?.(place, offset) ?? Promise.reject(closedError())
  }

  /** Settles when the next poll has called the listener. */
  tell(kind: keyof AssignmentListener, partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#isClosed) return Promise.reject(closedError())
    return new Promise((done, failed) => {
      this.#told.push({ kind, partitions, done, failed })
      this.wakeup()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    // Each waiting poll in the log's thread gets this error.
    for (const { failed } of this.#told) failed(closedError())
    this.#told = []
    this.#options.closed()
    this.#wait.end()
    await this.#options.peer.call('closeConsumer', this.#number)
  }

  async #catchUp(): Promise<void> {
    if (this.#isClosed) throw closedError()
    for (let told = this.#told.shift(); told !== undefined; told = this.#told.shift()) await this.#hear(told)
    this.#ask()
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure
  }

  async #hear({ kind, partitions, done }: Told): Promise<void> {
    try {
      await this.#options.listener[kind](partitions)
    } finally {
      if (kind !== 'assigned') for (const one of partitions) Object.assign(this.#of(one), { runs: [], paused: false, hasMore: false })
      // The log's thread gets an answer even if the listener failed. The poll in this thread throws the failure.
      done()
    }
  }

  /** Requests more records while the buffer has room. */
  #ask(): void {
    if (this.#isAsking || this.#isClosed || this.#buffered() >= maxBufferedRecords) return
    this.#isAsking = true
    this.#options.peer.call('poll', { consumer: this.#number, maxRecords: recordsASending }).then(
      (polled) => {
        this.#isAsking = false
        this.#add(polled)
        this.#ask()
      },
      (error: unknown) => {
        this.#isAsking = false
        this.#failure = error
        this.#wait.end()
      },
    )
  }

  #add({ runs, more }: PolledRuns): void {
    for (const known of this.#known.values()) if (!known.paused) known.hasMore = false
    for (const one of more) this.#of(one).hasMore = true
    for (const { seeks, records, ...place } of unpackRuns(runs)) {
      const known = this.#of(place)
      if (known.seeks === seeks) known.runs.push(records)
    }
    this.#wait.end()
  }

  #take(maxRecords: number): RecordRun[] {
    const taken: RecordRun[] = []
    const all = [...this.#known.values()]
    let left = maxRecords
    for (let step = 0; step < all.length && left > 0; step++) {
      const known = all[(this.#next + step) % all.length]
      if (known === undefined || known.paused) continue
      const first = known.runs.shift()
      if (first === undefined) continue
      if (first.length > left) known.runs.unshift(first.slice(left))
      const records = first.slice(0, left)
      left -= records.length
      taken.push({ topic: known.topic, partition: known.partition, records })
    }
    this.#next = all.length === 0 ? 0 : (this.#next + 1) % all.length
    if (taken.length > 0) this.#ask()
    return taken
  }

  /**
   * The number of buffered records in partitions that are not paused. Records of paused partitions do not count, so that the other partitions still
   * get more.
   */
  #buffered(): number {
    let records = 0
    for (const { paused, runs } of this.#known.values()) if (!paused) for (const run of runs) records += run.length
    return records
  }

  #of({ topic, partition }: TopicPartition): Known & TopicPartition {
    const place = partitionName({ topic, partition })
    const there = this.#known.get(place)
    if (there !== undefined) return there
    const made: Known & TopicPartition = { topic, partition, runs: [], paused: false, hasMore: false, seeks: 0 }
    this.#known.set(place, made)
    return made
  }
}

/** A copy with only the topic and the partition. The argument may be a task's queue, which cannot be cloned for another thread. */
function named({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

export function closedError(): WaggleError {
  return new WaggleError('WAGGLE_CLOSED', { message: 'This consumer is closed', next: 'Subscribe again.' })
}

const recordsASending = 2048
/** At this number of buffered records, no more are requested. The buffer may hold almost twice as many, because an answer may still be on its way. */
const maxBufferedRecords = recordsASending
