import type { Capabilities } from './capabilities.ts'
import type { TimestampExtractor } from './consumed.ts'
import type { Handler } from './failed-record.ts'
import type { Topology } from './graph.ts'
import type { AnySerde } from './serde.ts'
import type { WaggleError } from './waggle-error.ts'

export type Sasl =
  | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
  | { mechanism: 'oauthbearer'; token: () => Promise<string> }

/** The settings of an application. A default is Kafka Streams' own, unless its comment says otherwise. */
export interface StreamsConfig {
  /** Names the application's group, topics and state. */
  applicationId: string
  log: 'embedded' | { kafka: { brokers: readonly string[]; ssl?: boolean | object; sasl?: Sasl; client?: 'platformatic' | 'kafkajs' } }
  /** The guarantee of processing. Default on Kafka: `at_least_once`. On the embedded log processing is exactly once with either value. */
  processing?: 'at_least_once' | 'exactly_once'
  /** The topic for records that a handler skips, with the headers of KIP-1034. Without this topic such records are dropped. */
  deadLetterTopic?: string
  /**
   * The directory for data. Default: `.waggle`, which is not a temporary directory, because it contains the embedded log. On Kafka it contains the
   * state of this process's tasks.
   */
  stateDir?: string
  /** The number of stream threads. Default: 1. The threads share one JavaScript thread unless `module` is set. */
  numThreads?: number
  /**
   * A module that exports the topology (see `StreamsModule`). Each thread is then a worker (`worker_threads`) that imports the module. A path is
   * relative to the working directory. On Kafka each worker is a member of the application's groups, with its own connection and state directory.
   * Kafka Streams has no such setting, because Java's threads do not need it.
   */
  module?: URL | string
  /** The number of copies of each task's state in other processes. Default: 0. */
  standbyReplicas?: number
  /** A copy that is at most this many changelog records behind may take over its task at once (KIP-441). Default: 10,000. */
  acceptableRecoveryLag?: number
  /** The most copies that are made at the same time so that tasks can move. Default: 2. */
  maxWarmupReplicas?: number
  /** The process's own name, the same after a restart (static membership, KIP-345). */
  instanceId?: string
  /**
   * The address, `host:port`, at which other processes query this process. An address that other machines can reach needs an
   * `applicationServerSecret`.
   */
  applicationServer?: string
  /**
   * Resources of this process (`{ gpu: 1 }`). Default: none. A sub-topology that needs other resources (`Topology.requireCapabilities`) runs in
   * another process.
   */
  capabilities?: Capabilities
  /** A secret that all processes of the application share. Queries without it are refused. Kafka Streams has no such setting. */
  applicationServerSecret?: string
  /**
   * The time between two commits. Default on the embedded log: 100, the interval of its syncs. Default on Kafka: 30,000, or 100 with exactly once.
   */
  commitIntervalMs?: number
  maxTaskIdleMs?: number
  /** The shortest time between two deletions of processed records in repartition topics (KIP-811). Default: 30,000. */
  repartitionPurgeIntervalMs?: number
  /**
   * The size of all caches together. In a cache, a table's updates wait for a commit. 0: each update is forwarded at once. Default: 10 MiB, and 0 in
   * a TopologyTestDriver.
   */
  cacheMaxBytes?: number
  /**
   * The shortest time between two searches for unmatched records and closed windows. Default: 1000, and 0 in a TopologyTestDriver. With 0, each
   * record starts a search.
   */
  emitIntervalMs?: number
  defaultKeySerde?: AnySerde
  defaultValueSerde?: AnySerde
  timestampExtractor?: TimestampExtractor
  /** Refuses generated names for stores and internal topics (KIP-1111). */
  ensureExplicitInternalResourceNaming?: boolean
  deserializationHandler?: Handler<'resume' | 'fail'>
  processingHandler?: Handler<'resume' | 'fail'>
  productionHandler?: Handler<'resume' | 'fail' | 'retry'>
  /** Decides how the application goes on after a failure that no handler skipped. Default: SHUTDOWN_CLIENT. */
  uncaughtExceptionHandler?: (error: WaggleError) => 'REPLACE_THREAD' | 'SHUTDOWN_CLIENT' | 'SHUTDOWN_APPLICATION'
}

/** The functions of a configuration. A worker takes the functions from the module, because functions cannot be sent to a worker. */
export type StreamsHandlers = Pick<
  StreamsConfig,
  'deserializationHandler' | 'processingHandler' | 'productionHandler' | 'timestampExtractor' | 'defaultKeySerde' | 'defaultValueSerde'
>

/** The exports of a module that workers import. */
export interface StreamsModule {
  readonly topology: Topology
  /** Functions that complete the `StreamsConfig`. */
  readonly handlers?: StreamsHandlers
}
