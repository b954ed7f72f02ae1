import type { Position, TopicPartition } from '../../../processor/ports.ts'
import { BrokerError, errorName, expectNone } from '../kafka/cluster/broker-error.ts'
import type { RawRequest } from '../kafka/cluster/connections.ts'
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
} from '../kafka/cluster/kafka-client.ts'
import type { GroupMembership } from '../kafka/cluster/offsets.ts'
import type { KafkaLogOptions } from '../kafka/kafka-log.ts'
import { fields, type KafkaJsAnswer } from './kafkajs-answer.ts'
import { KafkaJsConnections } from './kafkajs-connections.ts'

/** The client for Kafka's requests, built on `kafkajs`. */
export class KafkaJsClient implements KafkaClient {
  readonly name = 'kafkajs'
  readonly hasStaticMembers = false
  readonly #connections: KafkaJsConnections
  #brokers = 1

  constructor(options: Pick<KafkaLogOptions, 'clientId' | 'ssl' | 'sasl'>) {
    this.#connections = new KafkaJsConnections(options)
  }

  async metadata(at: At, topics: readonly string[] | null): Promise<ClusterAnswer> {
    const answer = await this.#ask(at, 'Metadata', { topics: topics ?? [], allowAutoTopicCreation: false })
    const brokers = answer.list('brokers').map((one) => ({ id: one.number('nodeId'), host: one.text('host'), port: one.number('port') }))
    this.#brokers = brokers.length
    return {
      brokers,
      controller: answer.number('controllerId'),
      topics: answer.list('topicMetadata').map((topic) => ({
        name: topic.text('topic'),
        id: '',
        isInternal: topic.flag('isInternal'),
        errorCode: topic.number('topicErrorCode'),
        partitions: topic.list('partitionMetadata').map((one) => ({
          partition: one.number('partitionId'),
          leader: one.number('leader'),
          epoch: 0,
          replicas: one.count('replicas'),
        })),
      })),
    }
  }

  async findCoordinator(at: At, kind: 'group' | 'transaction', key: string) {
    const answer = await this.#ask(at, 'GroupCoordinator', { coordinatorKey: key, groupId: key, coordinatorType: kind === 'group' ? 0 : 1 })
    expectNone(answer.number('errorCode'))
    const coordinator = answer.one('coordinator')
    return { host: coordinator.text('host'), port: coordinator.number('port') }
  }

  async createTopics(at: At, topics: readonly NewTopic[]) {
    const wanted = topics.map(({ name, partitions, replicationFactor, settings }) => ({
      topic: name,
      numPartitions: partitions,
      // This version of the request cannot ask for the brokers' default replication factor.
      replicationFactor: replicationFactor < 0 ? Math.min(usualReplicas, this.#brokers) : replicationFactor,
      configEntries: settings,
    }))
    const answer = await this.#ask(at, 'CreateTopics', { topics: wanted, validateOnly: false, timeout: 15_000 })
    return answer
      .list('topicErrors')
      .map((one) => ({ name: one.text('topic'), errorCode: one.number('errorCode'), message: one.maybeText('errorMessage') }))
  }

  async describeTopics(at: At, names: readonly string[], settings: readonly string[]) {
    const resources = names.map((name) => ({ type: topicResource, name, configNames: settings }))
    const answer = await this.#ask(at, 'DescribeConfigs', { resources, includeSynonyms: false })
    return answer.list('resources').map((one) => ({
      name: one.text('resourceName'),
      errorCode: one.number('errorCode'),
      message: one.maybeText('errorMessage'),
      settings: new Map(one.list('configEntries').map((entry) => [entry.text('configName'), entry.maybeText('configValue') ?? ''])),
    }))
  }

  async listOffsets(at: At, places: readonly TopicPartition[], edge: Edge) {
    const timestamp = askedTime(edge)
    const topics = byTopic(places, ({ partition }) => ({ partition, timestamp }))
    const answer = await this.#ask(at, 'ListOffsets', { replicaId: -1, isolationLevel: edge === 'written' ? readUncommitted : readCommitted, topics })
    return placesOf(answer).map(({ place, one }) => ({ ...place, offset: Number(one.text('offset')) }))
  }

  async deleteRecords(at: At, places: readonly (TopicPartition & { readonly offset: number })[]) {
    const topics = byTopic(places, ({ partition, offset }) => ({ partition, offset: String(offset) }))
    const answer = await this.#ask(at, 'DeleteRecords', { topics })
    return answer
      .list('topics')
      .flatMap((topic) =>
        topic
          .list('partitions')
          .map((one) => ({ topic: topic.text('topic'), partition: one.number('partition'), errorCode: one.number('errorCode') })),
      )
  }

  async fetchOffsets(at: At, group: string, places: readonly TopicPartition[]) {
    const answer = await this.#ask(at, 'OffsetFetch', { groupId: group, topics: byTopic(places, ({ partition }) => ({ partition })) })
    expectNone(answer.maybeNumber('errorCode') ?? 0)
    return placesOf(answer).map(({ place, one }) => ({ ...place, offset: Number(one.text('offset')), metadata: one.maybeText('metadata') ?? '' }))
  }

  async commitOffsets(
    at: At,
    group: string,
    { member, positions }: { readonly member: GroupMembership; readonly positions: readonly (TopicPartition & Position)[] },
  ) {
    const topics = byTopic(positions, ({ partition, offset, metadata }) => ({ partition, offset: String(offset), metadata }))
    const parameters = { groupId: group, groupGenerationId: member.generation, memberId: member.memberId, retentionTime: -1, topics }
    return placesOf(await this.#ask(at, 'OffsetCommit', parameters)).map(({ place }) => place)
  }

  async joinGroup(at: At, wish: JoinWish): Promise<Joined> {
    const answer = await this.#ask(at, 'JoinGroup', {
      groupId: wish.group,
      sessionTimeout: wish.sessionTimeoutMs,
      rebalanceTimeout: wish.rebalanceTimeoutMs,
      memberId: wish.memberId,
      protocolType: 'consumer',
      groupProtocols: [{ name: wish.protocol, metadata: wish.metadata }],
    })
    const errorCode = answer.number('errorCode')
    if (errorName(errorCode) === 'MEMBER_ID_REQUIRED') return { isKnown: false, memberId: answer.text('memberId') }
    expectNone(errorCode)
    return {
      isKnown: true,
      memberId: answer.text('memberId'),
      generation: answer.number('generationId'),
      leader: answer.text('leaderId'),
      isDecided: false,
      members: answer.list('members').map((one) => ({ id: one.text('memberId'), instanceId: null, metadata: one.bytes('memberMetadata') })),
    }
  }

  async syncGroup(at: At, group: string, { member, assignments }: SyncWish): Promise<Buffer> {
    const groupAssignment = assignments.map(({ memberId, assignment }) => ({ memberId, memberAssignment: assignment }))
    const answer = await this.#ask(at, 'SyncGroup', { groupId: group, generationId: member.generation, memberId: member.memberId, groupAssignment })
    expectNone(answer.number('errorCode'))
    return answer.bytes('memberAssignment')
  }

  async heartbeat(at: At, group: string, { generation, memberId }: GroupMembership): Promise<void> {
    expectNone((await this.#ask(at, 'Heartbeat', { groupId: group, groupGenerationId: generation, memberId })).number('errorCode'))
  }

  async leaveGroup(at: At, group: string, { memberId }: GroupMembership): Promise<void> {
    await this.#ask(at, 'LeaveGroup', { groupId: group, memberId, members: [{ memberId }] })
  }

  async newProducerId(at: At) {
    const answer = await this.#ask(at, 'InitProducerId', { transactionalId: null, transactionTimeout: 0 })
    expectNone(answer.number('errorCode'))
    return { producerId: BigInt(answer.text('producerId')), epoch: answer.number('producerEpoch') }
  }

  raw<T>(at: At, request: RawRequest<T>): Promise<T> {
    return this.#connections.raw(at, request)
  }

  closeLanes(isClosed: (name: string) => boolean): Promise<void> {
    return this.#connections.closeLanes(isClosed)
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #ask(at: At, name: string, parameters: object): Promise<KafkaJsAnswer> {
    const answer = fields(await this.#connections.ask(at, name, parameters))
    if (answer === null) throw new BrokerError('NETWORK', `${name} has no answer`)
    return answer
  }
}

function byTopic<P extends TopicPartition, T>(places: readonly P[], partition: (place: P) => T) {
  return [...Map.groupBy(places, ({ topic }) => topic)].map(([topic, ones]) => ({ topic, partitions: ones.map(partition) }))
}

function placesOf(answer: KafkaJsAnswer) {
  return answer.list('responses').flatMap((topic) =>
    topic.list('partitions').map((one) => ({
      place: { topic: topic.text('topic'), partition: one.number('partition'), errorCode: one.number('errorCode') },
      one,
    })),
  )
}

const topicResource = 2
const readUncommitted = 0
const readCommitted = 1
const usualReplicas = 3
