import {
  ConfigResourceTypes,
  createTopicsV7,
  deleteRecordsV2,
  describeConfigsV4,
  findCoordinatorV4,
  heartbeatV4,
  initProducerIdV4,
  joinGroupV9,
  leaveGroupV5,
  listOffsetsV7,
  metadataV12,
  offsetCommitV8,
  offsetFetchV8,
  syncGroupV5,
} from '@platformatic/kafka'
import type { Position, TopicPartition } from '../../../../processor/ports.ts'
import { BrokerError, errorName, expectNone } from './broker-error.ts'
import type { Connections, RawRequest } from './connections.ts'
import {
  type At,
  askedTime,
  type ClusterAnswer,
  type Edge,
  type Joined,
  type JoinWish,
  type KafkaClient,
  type NewTopic,
  type SyncWish,
} from './kafka-client.ts'
import { type GroupMembership, offsetTopics } from './offsets.ts'

/** The client for Kafka's requests, built on `@platformatic/kafka`. */
export class PlatformaticClient implements KafkaClient {
  readonly name = '@platformatic/kafka'
  readonly hasStaticMembers = true
  readonly connections: Connections

  constructor(connections: Connections) {
    this.connections = connections
  }

  async metadata({ lane, broker }: At, wanted: readonly string[] | null): Promise<ClusterAnswer> {
    const names = wanted === null ? null : [...wanted]
    const { brokers, controllerId, topics } = await this.connections.call(lane, broker, metadataV12.api, names, false, false)
    return {
      brokers: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })),
      controller: controllerId,
      topics: topics.map(({ name, topicId, isInternal, errorCode, partitions }) => ({
        name: name ?? '',
        // A broker without topic ids sends an id of zeros.
        id: /[^0-]/.test(topicId) ? topicId : '',
        isInternal,
        errorCode,
        partitions: partitions.map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes }) => ({
          partition: partitionIndex,
          leader: leaderId,
          epoch: leaderEpoch,
          replicas: Array.isArray(replicaNodes) ? replicaNodes.length : 1,
        })),
      })),
    }
  }

  async findCoordinator({ lane, broker }: At, kind: 'group' | 'transaction', key: string) {
    const { coordinators } = await this.connections.call(lane, broker, findCoordinatorV4.api, kind === 'group' ? 0 : 1, [key])
    const found = coordinators[0]
    if (found === undefined) throw new BrokerError('COORDINATOR_NOT_AVAILABLE')
    expectNone(found.errorCode, found.errorMessage ?? null)
    return { host: found.host, port: found.port }
  }

  async createTopics({ lane, broker }: At, topics: readonly NewTopic[]) {
    const wanted = topics.map(({ name, partitions, replicationFactor, settings }) => ({
      name,
      numPartitions: partitions,
      replicationFactor,
      assignments: [],
      configs: [...settings],
    }))
    const answer = await this.connections.call(lane, broker, createTopicsV7.api, wanted, 15_000, false)
    return answer.topics.map(({ name, errorCode, errorMessage }) => ({ name, errorCode, message: errorMessage ?? null }))
  }

  async describeTopics({ lane, broker }: At, names: readonly string[], settings: readonly string[]) {
    const resources = names.map((resourceName) => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName, configurationKeys: [...settings] }))
    const { results } = await this.connections.call(lane, broker, describeConfigsV4.api, resources, false, false)
    return results.map(({ resourceName, errorCode, errorMessage, configs }) => ({
      name: resourceName,
      errorCode,
      message: errorMessage ?? null,
      settings: new Map(configs.map(({ name, value }) => [name, value ?? ''])),
    }))
  }

  async listOffsets({ lane, broker }: At, places: readonly TopicPartition[], edge: Edge) {
    const timestamp = BigInt(askedTime(edge))
    const wanted = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, ones]) => ({
      name,
      partitions: ones.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp })),
    }))
    const { topics } = await this.connections.call(lane, broker, listOffsetsV7.api, -1, edge === 'written' ? readUncommitted : readCommitted, wanted)
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, offset }) => ({ topic: name, partition: partitionIndex, errorCode, offset: Number(offset) })),
    )
  }

  async deleteRecords({ lane, broker }: At, places: readonly (TopicPartition & { readonly offset: number })[]) {
    const wanted = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, ones]) => ({
      name,
      partitions: ones.map(({ partition, offset }) => ({ partitionIndex: partition, offset: BigInt(offset) })),
    }))
    const { topics } = await this.connections.call(lane, broker, deleteRecordsV2.api, wanted, 10_000)
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => ({ topic: name, partition: partitionIndex, errorCode })),
    )
  }

  /** Waits for open transactions that may change the positions (KIP-447). */
  async fetchOffsets({ lane, broker }: At, group: string, places: readonly TopicPartition[]) {
    const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, ones]) => ({
      name,
      partitionIndexes: ones.map(({ partition }) => partition),
    }))
    const { groups } = await this.connections.call(lane, broker, offsetFetchV8.api, [{ groupId: group, memberEpoch: -1, topics }], true)
    const found = groups[0]
    if (found === undefined) throw new BrokerError('COORDINATOR_NOT_AVAILABLE')
    expectNone(found.errorCode)
    return found.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata, errorCode }) => ({
        topic: name,
        partition: partitionIndex,
        errorCode,
        offset: Number(committedOffset),
        metadata: metadata ?? '',
      })),
    )
  }

  async commitOffsets(
    { lane, broker }: At,
    group: string,
    { member, positions }: { readonly member: GroupMembership; readonly positions: readonly (TopicPartition & Position)[] },
  ) {
    const { memberId, generation, instanceId } = member
    const { topics } = await this.connections.call(lane, broker, offsetCommitV8.api, group, generation, memberId, instanceId, offsetTopics(positions))
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => ({ topic: name, partition: partitionIndex, errorCode })),
    )
  }

  async joinGroup({ lane, broker }: At, wish: JoinWish): Promise<Joined> {
    const { group, sessionTimeoutMs, rebalanceTimeoutMs, memberId, instanceId, protocol, metadata } = wish
    const protocols = [{ name: protocol, metadata }]
    const joined = await this.connections.call(
      lane,
      broker,
      joinGroupV9.api,
      group,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId,
      instanceId,
      'consumer',
      protocols,
    )
    if (errorName(joined.errorCode) === 'MEMBER_ID_REQUIRED') return { isKnown: false, memberId: joined.memberId }
    expectNone(joined.errorCode)
    return {
      isKnown: true,
      memberId: joined.memberId,
      generation: joined.generationId,
      leader: joined.leader,
      isDecided: joined.skipAssignment,
      members: joined.members.map((one) => ({ id: one.memberId, instanceId: one.groupInstanceId ?? null, metadata: one.metadata })),
    }
  }

  async syncGroup({ lane, broker }: At, group: string, { member, protocol, assignments }: SyncWish): Promise<Buffer> {
    const { memberId, generation, instanceId } = member
    const decided = [...assignments]
    const synced = await this.connections.call(lane, broker, syncGroupV5.api, group, generation, memberId, instanceId, 'consumer', protocol, decided)
    expectNone(synced.errorCode)
    return synced.assignment
  }

  async heartbeat({ lane, broker }: At, group: string, { memberId, generation, instanceId }: GroupMembership): Promise<void> {
    const { errorCode } = await this.connections.call(lane, broker, heartbeatV4.api, group, generation, memberId, instanceId)
    expectNone(errorCode)
  }

  async leaveGroup({ lane, broker }: At, group: string, { memberId }: GroupMembership): Promise<void> {
    await this.connections.call(lane, broker, leaveGroupV5.api, group, [{ memberId, reason: 'closed' }])
  }

  async newProducerId({ lane, broker }: At) {
    const { errorCode, producerId, producerEpoch } = await this.connections.call(lane, broker, initProducerIdV4.api, null, 0, -1n, -1)
    expectNone(errorCode)
    return { producerId, epoch: producerEpoch }
  }

  raw<T>({ lane, broker }: At, request: RawRequest<T>): Promise<T> {
    return this.connections.raw(lane, broker, request)
  }

  closeLanes(isClosed: (name: string) => boolean): Promise<void> {
    return this.connections.closeLanes(isClosed)
  }

  close(): Promise<void> {
    return this.connections.close()
  }
}

const readUncommitted = 0
const readCommitted = 1
