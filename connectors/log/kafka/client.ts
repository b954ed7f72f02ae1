import type { Position, TopicPartition } from '../../../processor/ports.ts'
import type { Broker, Lane, RawRequest } from './connections.ts'
import type { GroupMembership } from './offsets.ts'

/** The broker and the lane of a request. */
export interface At {
  readonly broker: Broker
  readonly lane: Lane
}

/** The start of a partition, the end of its committed records, or the end of its written records. */
export type Edge = 'earliest' | 'latest' | 'written'

/**
 * The port for a library that speaks Kafka's protocol: connections, sign-in, and requests about topics, groups and positions. Records are encoded and decoded
 * elsewhere. An answer about many items is returned whole, with an error code for each item. Methods reject with a BrokerError where there is no answer,
 * or one error for the whole request.
 */
export interface KafkaClient {
  readonly name: string
  /** True where members may have their own names (KIP-345). */
  readonly hasStaticMembers: boolean
  metadata(at: At, topics: readonly string[] | null): Promise<ClusterAnswer>
  findCoordinator(at: At, kind: 'group' | 'transaction', key: string): Promise<Broker>
  createTopics(at: At, topics: readonly NewTopic[]): Promise<readonly TopicAnswer[]>
  describeTopics(
    at: At,
    names: readonly string[],
    settings: readonly string[],
  ): Promise<readonly (TopicAnswer & { readonly settings: ReadonlyMap<string, string> })[]>
  listOffsets(at: At, places: readonly TopicPartition[], edge: Edge): Promise<readonly (PlaceAnswer & { readonly offset: number })[]>
  /** Must be sent to the leader of these partitions. */
  deleteRecords(at: At, places: readonly (TopicPartition & { readonly offset: number })[]): Promise<readonly PlaceAnswer[]>
  /** An offset below 0 means that the group has none. */
  fetchOffsets(at: At, group: string, places: readonly TopicPartition[]): Promise<readonly (PlaceAnswer & Position)[]>
  commitOffsets(
    at: At,
    group: string,
    options: { readonly member: GroupMembership; readonly positions: readonly (TopicPartition & Position)[] },
  ): Promise<readonly PlaceAnswer[]>
  joinGroup(at: At, wish: JoinWish): Promise<Joined>
  syncGroup(at: At, group: string, options: SyncWish): Promise<Buffer>
  heartbeat(at: At, group: string, member: GroupMembership): Promise<void>
  leaveGroup(at: At, group: string, member: GroupMembership): Promise<void>
  newProducerId(at: At): Promise<{ readonly producerId: bigint; readonly epoch: number }>
  raw<T>(at: At, request: RawRequest<T>): Promise<T>
  /** Closes the connections of the lanes whose name passes the test. Their open requests fail. */
  closeLanes(isClosed: (name: string) => boolean): Promise<void>
  close(): Promise<void>
}

export interface PlaceAnswer extends TopicPartition {
  readonly errorCode: number
}

export interface ClusterAnswer {
  readonly brokers: readonly (Broker & { readonly id: number })[]
  readonly controller: number
  readonly topics: readonly {
    readonly name: string
    /** The topic's id. A topic that is deleted and created again under the same name has another id. Empty where the broker does not tell it. */
    readonly id: string
    readonly isInternal: boolean
    readonly errorCode: number
    /** A `leader` below 0 means that the partition has none. */
    readonly partitions: readonly { readonly partition: number; readonly leader: number; readonly epoch: number; readonly replicas: number }[]
  }[]
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** -1 stands for the brokers' default. */
  readonly replicationFactor: number
  readonly settings: readonly { readonly name: string; readonly value: string }[]
}

export interface TopicAnswer {
  readonly name: string
  readonly errorCode: number
  readonly message: string | null
}

export interface JoinWish {
  readonly group: string
  readonly memberId: string
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocol: string
  readonly metadata: Buffer
}

/** `isKnown` false: the broker gave a member id, with which the member must join again. */
export type Joined =
  | { readonly isKnown: false; readonly memberId: string }
  | {
      readonly isKnown: true
      readonly memberId: string
      readonly generation: number
      readonly leader: string
      /** True where the assignment stays as it is: a static member has returned (KIP-814). */
      readonly isDecided: boolean
      readonly members: readonly JoinedMember[]
    }

export interface JoinedMember {
  readonly id: string
  readonly instanceId: string | null
  readonly metadata: Buffer
}

export interface SyncWish {
  readonly member: GroupMembership
  readonly protocol: string
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}
