import type { MessagePort } from 'node:worker_threads'
import type {
  AssignmentListener,
  Clock,
  CommitPoint,
  CommitReceipt,
  Consumer,
  Log,
  LogTraits,
  Producer,
  ProducerRecord,
  Reader,
  ReadOptions,
  RecordRun,
  StateDisk,
  Subscription,
  TaskProducer,
  TopicInfo,
  TopicPartition,
  TopicSpec,
} from '../../../processor/ports.ts'
import { bytesIn } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { PortPeer } from '../../system/port-peer.ts'
import type { ConsumerPartitions, ListenerCalls, LogCalls } from './protocol.ts'
import { PackedRecords, packState } from './record-wire.ts'
import { closedError, RemoteConsumer } from './remote-consumer.ts'

export interface RemoteLogOptions {
  readonly port: MessagePort
  /** The state. This thread reads it directly from the log's database, because reads are synchronous. */
  readonly state: StateDisk
  readonly clock: Clock
}

/**
 * A log that another JavaScript thread of this process has open (`ServedLog`). Records arrive ahead of use. A commit is one message, and has the same
 * effect as a commit in the log's thread.
 */
export class RemoteLog implements Log {
  readonly traits: LogTraits = { atomicCommit: true, repeatsRecords: false, handsOn: false }
  readonly state: StateDisk
  readonly #clock: Clock
  readonly #peer: PortPeer<LogCalls>
  readonly #port: MessagePort
  readonly #consumers = new Map<number, RemoteConsumer>()
  readonly #producers = new Set<RemoteTaskProducer>()

  constructor({ port, state, clock }: RemoteLogOptions) {
    this.state = state
    this.#clock = clock
    this.#port = port
    const told = (kind: keyof AssignmentListener) => (argument: ConsumerPartitions) => {
      const consumer = this.#consumers.get(argument.consumer)
      return consumer === undefined ? Promise.reject(closedError()) : consumer.tell(kind, argument.partitions)
    }
    const outOfRange = ({ consumer, topic, partition, offset }: Parameters<ListenerCalls['outOfRange']>[0]) => {
      const found = this.#consumers.get(consumer)?.outOfRange({ topic, partition }, offset)
      return found ?? Promise.reject(closedError())
    }
    this.#peer = new PortPeer(port, { assigned: told('assigned'), revoked: told('revoked'), lost: told('lost'), outOfRange })
  }

  get load(): { readonly pendingBytes: number; readonly maxPendingBytes: number } {
    let pendingBytes = 0
    for (const producer of this.#producers) pendingBytes += producer.openBytes
    return { pendingBytes, maxPendingBytes: 256 * 1024 * 1024 }
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    await this.#peer.call('createTopics', specs)
  }

  topic(name: string): Promise<TopicInfo | null> {
    return this.#peer.call('topic', name)
  }

  topics(): Promise<readonly string[]> {
    return this.#peer.call('topics', null)
  }

  async subscribe({ group, topics, offsetReset, outOfRange, listener }: Subscription): Promise<Consumer> {
    const number = await this.#peer.call('subscribe', { group, topics, offsetReset, asksOutOfRange: outOfRange !== undefined })
    const consumer = new RemoteConsumer(number, {
      peer: this.#peer,
      clock: this.#clock,
      listener,
      outOfRange: outOfRange ?? null,
      closed: () => this.#consumers.delete(number),
    })
    this.#consumers.set(number, consumer)
    return consumer
  }

  async taskProducer({ group }: { readonly group: string }): Promise<TaskProducer> {
    const producer = new RemoteTaskProducer(this.#peer, await this.#peer.call('taskProducer', group), () => this.#producers.delete(producer))
    this.#producers.add(producer)
    return producer
  }

  async producer(): Promise<Producer> {
    return {
      send: async ({ value, ...record }, { durable = true } = {}) => ({
        offset: await this.#peer.call('send', { ...record, value: bytesIn(value), durable }),
      }),
      close: async () => {},
    }
  }

  read({ onGap: _, ...options }: ReadOptions): Reader {
    return new RemoteReader(this.#peer, options)
  }

  async deleteBefore(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    await this.#peer.call('deleteBefore', places)
  }

  /** Closes this side only. The log stays open in its own thread. */
  async close(): Promise<void> {
    this.#peer.close(new WaggleError('WAGGLE_CLOSED', { message: 'The log is closed', next: 'Open the log again.' }))
    this.#port.close()
  }
}

class RemoteTaskProducer implements TaskProducer {
  readonly #peer: PortPeer<LogCalls>
  readonly #number: number
  readonly #closed: () => void
  #open = new PackedRecords()

  constructor(peer: PortPeer<LogCalls>, number: number, closed: () => void) {
    this.#peer = peer
    this.#number = number
    this.#closed = closed
  }

  get openBytes(): number {
    return this.#open.bytes
  }

  append(record: ProducerRecord): void {
    this.#open.append(record)
  }

  async commit(point: CommitPoint): Promise<CommitReceipt> {
    const [records, state] = [this.#open.done(), packState(point.state)]
    const { topics } = this.#open
    this.#open = new PackedRecords()
    const commit = { producer: this.#number, records, topics, positions: point.positions, state }
    await this.#peer.call('commit', commit, [records.buffer, state.buffer])
    return { ends: [] }
  }

  async abort(): Promise<void> {
    this.#open = new PackedRecords()
    await this.#peer.call('abort', this.#number)
  }

  async close(): Promise<void> {
    this.#closed()
    await this.#peer.call('closeTaskProducer', this.#number)
  }
}

class RemoteReader implements Reader {
  readonly ready: Promise<void>
  readonly #peer: PortPeer<LogCalls>
  readonly #number: Promise<number>
  #closed = false

  constructor(peer: PortPeer<LogCalls>, options: Omit<ReadOptions, 'onGap'>) {
    this.#peer = peer
    this.#number = peer.call('read', options)
    this.ready = this.#number.then((number) => peer.call('readerReady', number))
    // A caller that does not wait for `ready` gets the failure when it asks for the first run.
    this.ready.catch(() => {})
  }

  async *[Symbol.asyncIterator](): AsyncIterator<RecordRun> {
    const number = await this.#number
    try {
      while (!this.#closed) {
        const run = await this.#peer.call('readNext', number)
        if (run === null) return
        yield run
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // If the log or the reader could not be opened, there is nothing to close.
    await this.#number.then((number) => this.#peer.call('closeReader', number)).catch(() => {})
  }
}
