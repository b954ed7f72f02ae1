import type { Position, TopicPartition } from '../../../../processor/ports.ts'
import type { Broker, Lane, RawRequest } from './connections.ts'
import type { GroupMembership } from './offsets.ts'

export interface At {
  readonly broker: Broker
  readonly lane: Lane
}

/**
 * A place in a partition: its start, the end of its committed records, or the end of all its records. With `timestamp`, the first record that has
 * this timestamp or a later timestamp (offset -1 if there is none).
 */
export type Edge = 'earliest' | 'latest' | 'written' | { readonly timestamp: number }

/** The timestamp that stands for an edge in a ListOffsets request. */
export function askedTime(edge: Edge): number {
  if (typeof edge === 'object') return edge.timestamp
  return edge === 'earliest' ? -2 : -1
}

/**
 * The port for a library that speaks Kafka's protocol: connections, sign-in, and requests about topics, groups and positions. Waggle encodes and
 * decodes records itself. A response about several items is returned whole, with an error code for each item. A method rejects with a BrokerError if
 * no response comes, or if the request as a whole fails.
 */
export interface KafkaClient {
  readonly name: string
  /** True if members may have a fixed name, the instance id (KIP-345). */
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
  /** The broker must be the leader of these partitions. */
  deleteRecords(at: At, places: readonly (TopicPartition & { readonly offset: number })[]): Promise<readonly PlaceAnswer[]>
  /** An offset below 0 means that the group has no position. */
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
  /** Closes the connections of all lanes whose names pass the test. Open requests on these connections fail. */
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
    /** The topic's id; empty if the broker does not send it. If a topic is deleted and created again, its id changes. */
    readonly id: string
    readonly isInternal: boolean
    readonly errorCode: number
    /** A `leader` below 0 means that the partition has no leader. */
    readonly partitions: readonly { readonly partition: number; readonly leader: number; readonly epoch: number; readonly replicas: number }[]
  }[]
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
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

/** With `isKnown: false`, the broker has assigned a member id, and the member must join again with this id. */
export type Joined =
  | { readonly isKnown: false; readonly memberId: string }
  | {
      readonly isKnown: true
      readonly memberId: string
      readonly generation: number
      readonly leader: string
      /** True if a static member has returned and the assignment does not change (KIP-814). */
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
