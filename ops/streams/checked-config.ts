import type { StreamsConfig } from '../../topology/streams-config.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** WAGGLE_INVALID_CONFIG with what is wrong, before anything is opened. */
export function checkConfig(config: StreamsConfig): void {
  const { applicationId, log, numThreads, commitIntervalMs, cacheMaxBytes } = config
  if (typeof applicationId !== 'string' || !/^[A-Za-z0-9._-]{1,200}$/.test(applicationId)) {
    throw invalid(`applicationId is ${JSON.stringify(applicationId)}`, 'Use letters, digits, dots, dashes and underscores, as in a topic’s name.')
  }
  if (log !== 'embedded') throw invalid('log names a Kafka cluster, which this version cannot run on yet', "Set log: 'embedded'.")
  if (numThreads !== undefined && !(Number.isInteger(numThreads) && numThreads > 0)) {
    throw invalid(`numThreads is ${numThreads}`, 'Give at least one thread.')
  }
  if (commitIntervalMs !== undefined && !(commitIntervalMs >= 0)) throw invalid(`commitIntervalMs is ${commitIntervalMs}`, 'Give milliseconds.')
  if (cacheMaxBytes !== undefined && !(cacheMaxBytes >= 0)) {
    throw invalid(`cacheMaxBytes is ${cacheMaxBytes}`, 'Give bytes; 0 sends each update of a table on at once.')
  }
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_CONFIG', { message, next })
}
