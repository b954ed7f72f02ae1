import type { StreamsConfig } from '../../topology/streams-config.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** WAGGLE_INVALID_CONFIG with what is wrong, before anything is opened. */
export function checkConfig(config: StreamsConfig): void {
  const { applicationId, log, numThreads, commitIntervalMs, cacheMaxBytes } = config
  if (typeof applicationId !== 'string' || !/^[A-Za-z0-9._-]{1,200}$/.test(applicationId)) {
    throw invalid(`applicationId is ${JSON.stringify(applicationId)}`, 'Use letters, digits, dots, dashes and underscores, as in a topic’s name.')
  }
  if (log !== 'embedded') checkKafka(log)
  if (numThreads !== undefined && !(Number.isInteger(numThreads) && numThreads > 0)) {
    throw invalid(`numThreads is ${numThreads}`, 'Give at least one thread.')
  }
  if (commitIntervalMs !== undefined && !(commitIntervalMs >= 0)) throw invalid(`commitIntervalMs is ${commitIntervalMs}`, 'Give milliseconds.')
  if (cacheMaxBytes !== undefined && !(cacheMaxBytes >= 0)) {
    throw invalid(`cacheMaxBytes is ${cacheMaxBytes}`, 'Give bytes; 0 sends each update of a table on at once.')
  }
}

function checkKafka(log: Exclude<StreamsConfig['log'], 'embedded'>): void {
  const { brokers } = (log as Partial<typeof log> | undefined)?.kafka ?? {}
  const isList = Array.isArray(brokers) && brokers.length > 0
  if (!isList || !brokers.every((one) => typeof one === 'string' && /^\S+:\d{1,5}$/.test(one))) {
    throw invalid(`log.kafka.brokers is ${JSON.stringify(brokers)}`, "Give at least one address as 'host:port', or set log: 'embedded'.")
  }
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_CONFIG', { message, next })
}
