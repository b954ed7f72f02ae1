import type { Position, ReadOptions, RecordRun, Subscription, TopicInfo, TopicPartition, TopicSpec } from '../../../processor/ports.ts'
import type { Header } from '../../../topology/record.ts'

/** What the end that has the log does for the one that has not. Numbers name consumers, producers and readers. */
export interface LogCalls {
  createTopics(specs: readonly TopicSpec[]): void
  topic(name: string): TopicInfo | null
  topics(argument: null): readonly string[]

  subscribe(subscription: RemoteSubscription): number
  /** Answers as soon as there is something: records, or news of what there is. */
  poll(argument: { readonly consumer: number; readonly maxRecords: number }): PolledRuns
  pause(argument: ConsumerPartitions): void
  resume(argument: ConsumerPartitions): void
  /** Runs that are on their way bear an older number than this, and are not wanted any more. */
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
  /** Null where it has ended. */
  readNext(reader: number): RecordRun | null
  closeReader(reader: number): void
}

export type RemoteSubscription = Pick<Subscription, 'group' | 'topics' | 'offsetReset'> & {
  /** It has an `outOfRange`. */
  readonly asksOutOfRange: boolean
}

/** What the end without the log is asked: it answers within a `poll` of its own. */
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
  /** See `record-wire.ts`. */
  readonly runs: Uint8Array<ArrayBuffer>
  /** Partitions that have a record more than was ever polled. Only told where a consumer reads several topics. */
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
  /** See `record-wire.ts`; topics are places in `topics`. */
  readonly records: Uint8Array<ArrayBuffer>
  readonly topics: readonly string[]
  readonly positions: readonly (TopicPartition & Position & { readonly group?: string })[]
  readonly state: Uint8Array<ArrayBuffer>
}
