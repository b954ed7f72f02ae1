import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type {
  Clock,
  Consumer,
  Log,
  LogTraits,
  Position,
  Producer,
  Random,
  Reader,
  ReadOptions,
  Subscription,
  TaskProducer,
  TopicInfo,
  TopicPartition,
  TopicSpec,
} from '../../../processor/ports.ts'
import { closedLog } from '../../../topology/log-errors.ts'
import { SharedCalls } from '../../../topology/shared-calls.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { BrokerError } from './cluster/broker-error.ts'
import { Cluster } from './cluster/cluster.ts'
import { type Broker, Connections } from './cluster/connections.ts'
import type { KafkaClient } from './cluster/kafka-client.ts'
import { commitOffsets, deleteRecordsBefore, edgeOffsets } from './cluster/offsets.ts'
import { PlatformaticClient } from './cluster/platformatic-client.ts'
import { signIn } from './cluster/sign-in.ts'
import { checkTls } from './cluster/tls-check.ts'
import { createTopics, topicInfo } from './cluster/topics.ts'
import { GroupConsumer } from './group/group-consumer.ts'
import type { FetchedPartition } from './reading/fetched-partition.ts'
import { Fetcher } from './reading/fetcher.ts'
import { PartitionReader } from './reading/partition-reader.ts'
import { RecordProducer } from './writing/record-producer.ts'
import { KafkaTaskProducer } from './writing/task-producer.ts'
import { Transaction } from './writing/transaction.ts'

export interface KafkaLogOptions {
  /** Addresses of some brokers, as `host:port`. These brokers tell the addresses of all others. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly clock: Clock
  readonly random: Random
  readonly ssl?: TlsOptions
  readonly sasl?: KafkaSignIn
  /** The number of replicas of new topics. Default: the brokers' setting. */
  readonly replicationFactor?: number
  /** The size limit of records in new topics, in bytes. Default: the brokers' setting, about 1 MiB. */
  readonly maxRecordBytes?: number
  /**
   * The name of this process within its application. Transactions derive their ids from the name. A process that restarts under the same name aborts
   * the transactions that it left open. Default: a new name at each start.
   */
  readonly instance?: string
  readonly transactionTimeoutMs?: number
  readonly sessionTimeoutMs?: number
  readonly heartbeatIntervalMs?: number
  readonly rebalanceTimeoutMs?: number
  /** The time that a record waits for other records to share its request, in ms. */
  readonly lingerMs?: number
  readonly deliveryTimeoutMs?: number
  readonly maxAheadBytes?: number
  /** The most bytes that may wait to be written. Above this limit, gateways refuse requests. */
  readonly maxPendingBytes?: number
}

export type KafkaSignIn =
  | { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
  | { readonly mechanism: 'oauthbearer'; readonly token: () => string | Promise<string> }

/** Opens a Kafka cluster as the log. Brokers store records and positions; changelogs store state. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const { clientId, ssl, sasl } = options
  const connections = new Connections({ clientId, ...(ssl === undefined ? {} : { ssl }), ...(sasl === undefined ? {} : { sasl: signIn(sasl) }) })
  return openLogOn(new PlatformaticClient(connections), { ...options, transactions: connections })
}

/** Opens a log on any client library. `transactions` is null for a library that cannot fence transactions by group member (KIP-447). */
export async function openLogOn(client: KafkaClient, options: KafkaLogOptions & { readonly transactions: Connections | null }): Promise<Log> {
  if (options.processing === 'exactly_once' && options.transactions === null) {
    throw notSupported(client, 'processing exactly once', 'Choose at_least_once, or another client.')
  }
  if (options.ssl !== undefined) checkTls(options.ssl)
  const log = new KafkaLog(client, options)
  try {
    await log.reach()
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

class KafkaLog implements Log {
  readonly traits: LogTraits
  readonly state = null
  readonly #options: KafkaLogOptions
  readonly #client: KafkaClient
  readonly #transactions: Connections | null
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  /** Shares calls for the offsets of a topic. Many parts of a program ask at once, one part for each partition. */
  readonly #topicInfos: SharedCalls<TopicInfo | null>
  readonly #consumers = new Set<GroupConsumer>()
  readonly #taskProducers = new Map<KafkaTaskProducer, string>()
  readonly #producers = new Set<RecordProducer>()
  readonly #readers = new Map<FetchedPartition, PartitionReader>()
  readonly #instance: string
  #made = 0
  #closed = false

  constructor(client: KafkaClient, options: KafkaLogOptions & { readonly transactions: Connections | null }) {
    const { clock, random, processing } = options
    this.#options = options
    this.#client = client
    this.#transactions = options.transactions
    this.#instance = options.instance ?? Buffer.from(random.bytes(8)).toString('hex')
    this.traits = { atomicCommit: processing === 'exactly_once', repeatsRecords: true, handsOn: false, maxNoteBytes }
    this.#cluster = new Cluster({ brokers: options.brokers.map(brokerOf), client, clock, random })
    this.#topicInfos = new SharedCalls((name) => topicInfo(this.#cluster, name))
    this.#fetcher = new Fetcher({
      cluster: this.#cluster,
      name: 'readers',
      maxBytes: options.maxAheadBytes ?? defaultAheadBytes,
      onAnswer: (fetched) => this.#readers.get(fetched)?.notify(),
      onUnreadable: (fetched, gap, cause) => this.#readers.get(fetched)?.unreadable(gap, cause),
      onOutOfRange: (fetched) => void this.#readers.get(fetched)?.outOfRange(),
      onError: (error, partitions) => {
        for (const fetched of partitions) this.#readers.get(fetched)?.fail(error)
      },
      onGone: (error, fetched) => this.#readers.get(fetched)?.fail(error),
    })
  }

  get load(): { readonly pendingBytes: number; readonly maxPendingBytes: number } {
    let pendingBytes = 0
    for (const producer of this.#taskProducers.keys()) pendingBytes += producer.pendingBytes
    for (const producer of this.#producers) pendingBytes += producer.pendingBytes
    return { pendingBytes, maxPendingBytes: this.#options.maxPendingBytes ?? defaultPendingBytes }
  }

  /** Throws WAGGLE_LOG_UNREACHABLE if no broker answers, and WAGGLE_NOT_PERMITTED if brokers refuse the sign-in. */
  async reach(): Promise<void> {
    try {
      await this.#cluster.refresh()
    } catch (thrown) {
      const addresses = this.#options.brokers.join(', ')
      const detail = thrown instanceof Error ? thrown.message : String(thrown)
      if (thrown instanceof BrokerError && thrown.error === 'SASL_AUTHENTICATION_FAILED') {
        throw new WaggleError('WAGGLE_NOT_PERMITTED', {
          message: `Kafka at ${addresses} does not let this user in: ${detail}`,
          next: signInNext,
          cause: thrown,
        })
      }
      throw new WaggleError('WAGGLE_LOG_UNREACHABLE', {
        message: `No Kafka broker answers: ${detail}`,
        next: 'Start Kafka, or correct the addresses in KAFKA_BROKERS.',
        cause: thrown,
      })
    }
  }

  createTopics(topics: readonly TopicSpec[]): Promise<void> {
    const { replicationFactor = null, maxRecordBytes = null } = this.#options
    return createTopics(this.#cluster, topics, { replicationFactor, maxRecordBytes })
  }

  topic(name: string): Promise<TopicInfo | null> {
    return this.#topicInfos.for(name)
  }

  topics(): Promise<readonly string[]> {
    return this.#cluster.retry('The topics cannot be listed', () => this.#cluster.topicNames())
  }

  async subscribe(subscription: Subscription): Promise<Consumer> {
    if (subscription.instanceId !== undefined && !this.#client.hasStaticMembers) {
      throw notSupported(this.#client, 'static membership', 'Leave out the member’s name, or choose another client.')
    }
    const { sessionTimeoutMs = 45_000, heartbeatIntervalMs = 3000, rebalanceTimeoutMs = 300_000 } = this.#options
    const consumer = new GroupConsumer({
      cluster: this.#cluster,
      name: `${subscription.group} ${this.#made++}`,
      subscription,
      sessionTimeoutMs,
      heartbeatIntervalMs,
      rebalanceTimeoutMs,
      maxAheadBytes: this.#options.maxAheadBytes ?? defaultAheadBytes,
      onClosed: (closed) => void this.#consumers.delete(closed),
      onLost: () => {
        for (const producer of this.#taskProducers.keys()) producer.fenceLostTasks()
      },
    })
    this.#consumers.add(consumer)
    return consumer
  }

  async taskProducer({ group, consumers }: { readonly group: string; readonly consumers?: () => readonly Consumer[] }): Promise<TaskProducer> {
    const { processing, lingerMs = 5, deliveryTimeoutMs = 120_000, transactionTimeoutMs = 10_000 } = this.#options
    const name = `${group}-${this.#instance}-${this.#freeNumber(group)}`
    const transaction =
      processing === 'exactly_once' && this.#transactions !== null
        ? new Transaction({ cluster: this.#cluster, connections: this.#transactions, transactionalId: name, timeoutMs: transactionTimeoutMs })
        : null
    const producer = new KafkaTaskProducer({
      cluster: this.#cluster,
      name,
      group,
      lingerMs,
      maxBatchBytes: this.#maxBatchBytes,
      deliveryTimeoutMs,
      transaction,
      taskConsumers: () => (consumers === undefined ? [...this.#consumers] : consumers().filter((consumer) => consumer instanceof GroupConsumer)),
      consumers: (of) => [...this.#consumers].filter((consumer) => consumer.group === of),
      onClosed: (closed) => void this.#taskProducers.delete(closed),
    })
    this.#taskProducers.set(producer, name)
    return producer
  }

  async producer(): Promise<Producer> {
    const producer = new RecordProducer({
      cluster: this.#cluster,
      name: `gateway ${this.#made++}`,
      maxBatchBytes: this.#maxBatchBytes,
      deliveryTimeoutMs: this.#options.deliveryTimeoutMs ?? 120_000,
      onClosed: (closed) => void this.#producers.delete(closed),
    })
    this.#producers.add(producer)
    return producer
  }

  read(options: ReadOptions): Reader {
    const reader = new PartitionReader({
      cluster: this.#cluster,
      fetcher: this.#fetcher,
      read: options,
      onClosed: (fetched) => void this.#readers.delete(fetched),
    })
    if (this.#closed) reader.fail(closedLog())
    else this.#readers.set(reader.fetched, reader)
    return reader
  }

  async offsetAt(place: TopicPartition, timestamp: number): Promise<number> {
    const [offset = -1] = await edgeOffsets(this.#cluster, [place], { timestamp })
    if (offset >= 0) return offset
    const [end = 0] = await edgeOffsets(this.#cluster, [place], 'latest')
    return end
  }

  async setPositions(group: string, positions: readonly (TopicPartition & Position)[]): Promise<void> {
    if (positions.length === 0) return
    const member = { memberId: '', generation: -1, instanceId: null }
    await this.#cluster.retry(`The positions of ${group} cannot be written`, () =>
      this.#cluster.withCoordinator('group', group, (broker) => commitOffsets(this.#cluster, { broker, group, member }, positions)),
    )
  }

  deleteBefore(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    return deleteRecordsBefore(this.#cluster, places)
  }

  async close(): Promise<void> {
    this.#closed = true
    // Readers of a closed log fail. A normal end would mean that they had read everything.
    for (const reader of this.#readers.values()) reader.fail(closedLog())
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await Promise.all([...this.#taskProducers.keys(), ...this.#producers].map((producer) => producer.close()))
    this.#cluster.close()
    await this.#fetcher.close()
    await this.#client.close()
  }

  get #maxBatchBytes(): number {
    return Math.min(defaultBatchBytes, this.#options.maxRecordBytes ?? defaultBatchBytes)
  }

  /**
   * The lowest free number for a producer's name. A new producer thus reuses the name of a fenced producer, and aborts the transaction that the
   * fenced producer left open.
   */
  #freeNumber(group: string): number {
    const names = new Set(this.#taskProducers.values())
    for (let number = 0; ; number++) if (!names.has(`${group}-${this.#instance}-${number}`)) return number
  }
}

function notSupported(client: KafkaClient, what: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_NOT_SUPPORTED', { message: `The Kafka client ${client.name} cannot do ${what}`, next })
}

function brokerOf(address: string): Broker {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(address.trim()) ?? []
  if (host !== undefined && port !== undefined) return { host, port: Number(port) }
  throw new WaggleError('WAGGLE_INVALID_CONFIG', {
    message: `${JSON.stringify(address)} is not an address of a Kafka broker`,
    next: 'Write host:port, and several addresses with commas between them.',
  })
}

const signInNext = 'Correct the user and password (or token) for Kafka.'
/** The brokers' default for offset.metadata.max.bytes. */
const maxNoteBytes = 4096
const defaultAheadBytes = 64 * 1024 * 1024
const defaultPendingBytes = 64 * 1024 * 1024
/** A little less than the brokers' default for max.message.bytes. */
const defaultBatchBytes = 1_000_000
