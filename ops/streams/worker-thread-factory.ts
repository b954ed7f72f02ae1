import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../../processor/thread/thread-elsewhere.ts'
import type { Topology } from '../../topology/graph.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { defaultCacheBytes } from './application-options.ts'
import type { WorkerSettings } from './worker-protocol.ts'
import { WorkerThread } from './worker-thread.ts'

/** Makes the threads of an application, each with a worker that imports the module. */
export function workerThreads({
  config,
  ...shared
}: {
  readonly config: StreamsConfig
  readonly log: EmbeddedLog | null
  readonly host: string | null
  readonly topics: readonly string[]
  readonly topology: Topology
  readonly moduleUrl: string
  /** Called with each failure after which a handler continues. */
  readonly onResumed: (error: WaggleError) => void
}): (options: ThreadElsewhereOptions) => ThreadElsewhere {
  const settings = settingsOf(config)
  const token = tokenOf(config)
  return (options) => new WorkerThread({ ...options, ...shared, token, settings })
}

/** The settings that can be cloned and sent to a worker. Limits for all threads together are divided by the number of threads. */
function settingsOf(config: StreamsConfig): WorkerSettings {
  const { deserializationHandler, processingHandler, productionHandler, uncaughtExceptionHandler, ...rest } = config
  const { timestampExtractor, defaultKeySerde, defaultValueSerde, module, cacheMaxBytes = defaultCacheBytes, ...settings } = rest
  return { ...settings, log: withoutToken(config.log), cacheMaxBytes: Math.floor(cacheMaxBytes / (config.numThreads ?? 1)) }
}

function withoutToken(log: StreamsConfig['log']): StreamsConfig['log'] {
  if (log === 'embedded' || log.kafka.sasl?.mechanism !== 'oauthbearer') return log
  const { sasl, ...kafka } = log.kafka
  return { kafka }
}

function tokenOf({ log }: StreamsConfig): (() => Promise<string>) | null {
  return log !== 'embedded' && log.kafka.sasl?.mechanism === 'oauthbearer' ? log.kafka.sasl.token : null
}
