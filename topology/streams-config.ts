import type { Capabilities } from './capabilities.ts'
import type { TimestampExtractor } from './consumed.ts'
import type { Handler } from './failed-record.ts'
import type { Topology } from './graph.ts'
import type { AnySerde } from './serde.ts'
import type { WaggleError } from './waggle-error.ts'

export type Sasl =
  | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
  | { mechanism: 'oauthbearer'; token: () => Promise<string> }

/** Defaults are Kafka Streams' where it has the setting; what differs is said. */
export interface StreamsConfig {
  /** Names the application's group, topics and state. */
  applicationId: string
  log: 'embedded' | { kafka: { brokers: readonly string[]; ssl?: boolean | object; sasl?: Sasl; client?: 'platformatic' | 'kafkajs' } }
  /** `at_least_once` on Kafka unless told. Embedded it is exactly once, whatever is asked for. */
  processing?: 'at_least_once' | 'exactly_once'
  /** Records that a handler lets pass go here, with KIP-1034's headers. */
  deadLetterTopic?: string
  /** `.waggle`. The embedded log lies in it, so it is not a temporary directory; on Kafka, the state of this process's tasks. */
  stateDir?: string
  /** 1. They share one JavaScript thread, unless there is a `module`. */
  numThreads?: number
  /**
   * Beyond Kafka Streams, whose threads are the machine's: a module that exports the topology (see `StreamsModule`). Each thread then has a
   * worker (`worker_threads`), which imports it for itself. A path is one of the working directory. On Kafka each worker is a member of the
   * application's groups, with a connection and a state directory of its own.
   */
  module?: URL | string
  /** 0. Copies of each task's state that other processes keep. */
  standbyReplicas?: number
  /** 10,000. A copy that is behind by no more changelog records than this may take its task over at once (KIP-441). */
  acceptableRecoveryLag?: number
  /** 2. Copies that are made at a time so that tasks can move. */
  maxWarmupReplicas?: number
  /** Static membership (KIP-345): this process's own name, the same after a restart. */
  instanceId?: string
  /** `host:port`, told to the other processes, and listened at for their queries; beyond this machine with an `applicationServerSecret` only. */
  applicationServer?: string
  /** None. What this process has (`{ gpu: 1 }`): a sub-topology that needs more (`Topology.requireCapabilities`) runs in processes that have it. */
  capabilities?: Capabilities
  /** Beyond Kafka Streams: what all processes of the application know, and nobody else; who asks without it is told nothing. */
  applicationServerSecret?: string
  /** Embedded 100: what its log syncs together. On Kafka 30,000, and 100 exactly once. */
  commitIntervalMs?: number
  maxTaskIdleMs?: number
  /** 30,000. How often, at most, what is done of repartition topics is deleted (KIP-811). */
  repartitionPurgeIntervalMs?: number
  /** Of all caches together: updates of tables wait in them for a commit. 0: each goes on at once. 10 MiB, in a TopologyTestDriver 0. */
  cacheMaxBytes?: number
  /** How often, at most, unmatched records and closed windows are looked for: 1000, in a TopologyTestDriver 0, which is with each record. */
  emitIntervalMs?: number
  defaultKeySerde?: AnySerde
  defaultValueSerde?: AnySerde
  timestampExtractor?: TimestampExtractor
  /** Refuses generated names for stores and internal topics (KIP-1111). */
  ensureExplicitInternalResourceNaming?: boolean
  deserializationHandler?: Handler<'resume' | 'fail'>
  processingHandler?: Handler<'resume' | 'fail'>
  productionHandler?: Handler<'resume' | 'fail' | 'retry'>
  /** Of a failure that no handler took; SHUTDOWN_CLIENT where it is not given. */
  uncaughtExceptionHandler?: (error: WaggleError) => 'REPLACE_THREAD' | 'SHUTDOWN_CLIENT' | 'SHUTDOWN_APPLICATION'
}

/** The functions of a configuration: workers have them from the module. */
export type StreamsHandlers = Pick<
  StreamsConfig,
  'deserializationHandler' | 'processingHandler' | 'productionHandler' | 'timestampExtractor' | 'defaultKeySerde' | 'defaultValueSerde'
>

/** What a module that workers import has to export. */
export interface StreamsModule {
  readonly topology: Topology
  /** Beside what `StreamsConfig` says. */
  readonly handlers?: StreamsHandlers
}
