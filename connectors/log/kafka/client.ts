import type { Position, TopicPartition } from '../../../processor/ports.ts'
import type { Broker, Lane, RawRequest } from './connections.ts'
import type { GroupMembership } from './offsets.ts'

/** Where a request goes. */
export interface At {
  readonly broker: Broker
  readonly lane: Lane
}

/** Where partitions start, where what is committed ends, or where what is written does. */
export type Edge = 'earliest' | 'latest' | 'written'

/**
 * What a log needs of a library that speaks Kafka's protocol: connections, sign-in, and the requests about topics, groups and
 * positions. Records are encoded and decoded here. Whatever holds an error for each of many things is answered with all of them;
 * where there is no answer, or one error for all, it rejects with a BrokerError.
 */
export interface KafkaClient {
  readonly name: string
  /** Members may have names of their own (KIP-345). */
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
  /** At the leader of these partitions. */
  deleteRecords(at: At, places: readonly (TopicPartition & { readonly offset: number })[]): Promise<readonly PlaceAnswer[]>
  /** Below 0: none. */
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
  /** What waits in them for an answer fails. */
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
    /** Another one under the same name has another; empty where it is not told. */
    readonly id: string
    readonly isInternal: boolean
    readonly errorCode: number
    /** `leader` below 0: none. */
    readonly partitions: readonly { readonly partition: number; readonly leader: number; readonly epoch: number; readonly replicas: number }[]
  }[]
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** -1: the brokers' own default. */
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

/** `isKnown` false: a member id was given, to join with. */
export type Joined =
  | { readonly isKnown: false; readonly memberId: string }
  | {
      readonly isKnown: true
      readonly memberId: string
      readonly generation: number
      readonly leader: string
      /** Nothing is to be decided: a member came back to its seat (KIP-814). */
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
