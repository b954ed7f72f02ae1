import type { Position, ReadOptions, RecordRun, Subscription, TopicInfo, TopicPartition, TopicSpec } from '../../../processor/ports.ts'
import type { Header } from '../../../topology/record.ts'

/** Calls that the end with the log serves for the end without it. Numbers name consumers, producers and readers. */
export interface LogCalls {
  createTopics(specs: readonly TopicSpec[]): void
  topic(name: string): TopicInfo | null
  topics(argument: null): readonly string[]

  subscribe(subscription: RemoteSubscription): number
  /** Answers as soon as there are records, or when the set of partitions with more records changes. */
  poll(argument: { readonly consumer: number; readonly maxRecords: number }): PolledRuns
  pause(argument: ConsumerPartitions): void
  resume(argument: ConsumerPartitions): void
  /** Moves a consumer. The other end ignores runs with a lower number of seeks, which were read before this call. */
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
  /** The next run of a reader; null where the reader has ended. */
  readNext(reader: number): RecordRun | null
  closeReader(reader: number): void
}

export type RemoteSubscription = Pick<Subscription, 'group' | 'topics' | 'offsetReset'> & {
  /** True where the subscription has an `outOfRange`. */
  readonly asksOutOfRange: boolean
}

/** Calls that the end without the log serves. It answers them within a `poll` of its own. */
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
  /** Runs as `record-wire.ts` packs them. */
  readonly runs: Uint8Array<ArrayBuffer>
  /** Partitions that have records beyond those polled. Sent only where a consumer reads several topics. */
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
  /** Records as `record-wire.ts` packs them. A topic is an index into `topics`. */
  readonly records: Uint8Array<ArrayBuffer>
  readonly topics: readonly string[]
  readonly positions: readonly (TopicPartition & Position & { readonly group?: string })[]
  readonly state: Uint8Array<ArrayBuffer>
}
