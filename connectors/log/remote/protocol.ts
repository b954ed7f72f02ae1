import type { Position, ReadOptions, RecordRun, Subscription, TopicInfo, TopicPartition, TopicSpec } from '../../../processor/ports.ts'
import type { Header } from '../../../topology/record.ts'

/** Calls from the thread without the log to the thread that has the log open. Numbers stand for consumers, producers and readers. */
export interface LogCalls {
  createTopics(specs: readonly TopicSpec[]): void
  topic(name: string): TopicInfo | null
  topics(argument: null): readonly string[]

  subscribe(subscription: RemoteSubscription): number
  /** Settles when there are records to return, or when the list of partitions with more records has changed. */
  poll(argument: { readonly consumer: number; readonly maxRecords: number }): PolledRuns
  pause(argument: ConsumerPartitions): void
  resume(argument: ConsumerPartitions): void
  /** Moves a consumer. A run that was read before this call carries a lower number of seeks, and is ignored. */
  seek(argument: TopicPartition & { readonly consumer: number; readonly offset: number; readonly seeks: number }): void
  committed(argument: TopicPartition & { readonly consumer: number }): Position | null
  closeConsumer(consumer: number): void

  taskProducer(group: string): number
  commit(argument: PackedCommit): void
  abort(producer: number): void
  closeTaskProducer(producer: number): void

  send(record: PackedRecord & { readonly durable: boolean }): number
  read(options: Omit<ReadOptions, 'onGap'>): number
  deleteBefore(places: readonly (TopicPartition & { readonly offset: number })[]): void
  readerReady(reader: number): void
  /** The reader's next run; null if the reader has ended. */
  readNext(reader: number): RecordRun | null
  closeReader(reader: number): void
}

export type RemoteSubscription = Pick<Subscription, 'group' | 'topics' | 'offsetReset'> & {
  /** True if the subscription has an `outOfRange`. */
  readonly asksOutOfRange: boolean
}

/** Calls from the thread with the log to the other thread. The other thread handles the calls within its own `poll`. */
export interface ListenerCalls {
  assigned(argument: ConsumerPartitions): void
  revoked(argument: ConsumerPartitions): void
  lost(argument: ConsumerPartitions): void
  outOfRange(argument: TopicPartition & { readonly consumer: number; readonly offset: number }): number
}

export interface ConsumerPartitions {
  readonly consumer: number
  readonly partitions: readonly TopicPartition[]
}

export interface PolledRuns {
  /** Runs in the encoding of `record-wire.ts`. */
  readonly runs: Uint8Array<ArrayBuffer>
  /** Partitions that have more records than `runs` contains. The list is sent only to a consumer of several topics. */
  readonly more: readonly TopicPartition[]
}

export interface PackedRecord extends TopicPartition {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

export interface PackedCommit {
  readonly producer: number
  /** Records in the encoding of `record-wire.ts`. A topic is an index into `topics`. */
  readonly records: Uint8Array<ArrayBuffer>
  readonly topics: readonly string[]
  readonly positions: readonly (TopicPartition & Position & { readonly group?: string })[]
  readonly state: Uint8Array<ArrayBuffer>
}
