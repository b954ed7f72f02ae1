import { systemClock } from '../../connectors/system/system-clock.ts'
import type { ApplicationOptions } from '../../processor/application/options.ts'
import { failurePolicy } from '../../processor/task/failures.ts'
import type { SpreadOptions } from '../../processor/thread/thread-assignor.ts'
import { decorated } from '../../topology/decorated.ts'
import type { Topology } from '../../topology/graph.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { commitIntervalOn } from './kafka-cluster.ts'

/**
 * The options that all JavaScript threads of an application share. `topics` are the topics of the log at the start. `onResumed` is called with each
 * failure after which a handler continues.
 */
export function applicationOptions(
  config: StreamsConfig,
  topology: Topology,
  { topics, onResumed }: { readonly topics: readonly string[]; readonly onResumed: (error: WaggleError) => void },
): Omit<ApplicationOptions, 'log'> {
  const { applicationId, numThreads, emitIntervalMs, maxTaskIdleMs, repartitionPurgeIntervalMs } = config
  const commitIntervalMs = config.log === 'embedded' ? config.commitIntervalMs : commitIntervalOn(config)
  const { defaultKeySerde, defaultValueSerde, timestampExtractor } = config
  const decoratedTopology = decorated(topology, applicationId, {
    key: defaultKeySerde ?? null,
    value: defaultValueSerde ?? null,
    timestampExtractor: timestampExtractor ?? null,
  })
  return {
    applicationId,
    topology: decoratedTopology.withTopics(topics),
    clock: systemClock,
    topics: [],
    ...(config.log === 'embedded' ? { missingTopicPartitions: 1 } : {}),
    threads: numThreads ?? 1,
    ...(commitIntervalMs === undefined ? {} : { commitIntervalMs }),
    ...(maxTaskIdleMs === undefined ? {} : { maxTaskIdleMs }),
    ...(repartitionPurgeIntervalMs === undefined ? {} : { repartitionPurgeIntervalMs }),
    ...(emitIntervalMs === undefined ? {} : { emitIntervalMs }),
    cacheMaxBytes: config.cacheMaxBytes ?? defaultCacheBytes,
    failures: { ...failurePolicy(config), onResumed },
  }
}

/** The settings for spreading tasks over processes on Kafka. */
export function spreadOf(config: Pick<StreamsConfig, SpreadSetting>): Partial<SpreadOptions> {
  const { instanceId = null, capabilities = {}, standbyReplicas, acceptableRecoveryLag, maxWarmupReplicas } = config
  const given = Object.entries({ standbyReplicas, acceptableRecoveryLag, maxWarmupReplicas }).filter(([, value]) => value !== undefined)
  return { instanceId, capabilities, settings: Object.fromEntries(given) }
}

type SpreadSetting = 'instanceId' | 'capabilities' | 'standbyReplicas' | 'acceptableRecoveryLag' | 'maxWarmupReplicas'

/** The default of Kafka Streams' statestore.cache.max.bytes. */
export const defaultCacheBytes = 10 * 1024 * 1024
