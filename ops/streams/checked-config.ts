import { inspect } from 'node:util'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Checks a configuration before anything is opened. Throws WAGGLE_INVALID_CONFIG with the first mistake. */
export function checkConfig(config: StreamsConfig): void {
  const { applicationId, log, numThreads } = config
  if (typeof applicationId !== 'string' || !/^[A-Za-z0-9._-]{1,200}$/.test(applicationId)) {
    throw invalid(`applicationId is ${inspect(applicationId)}`, 'Use letters, digits, dots, dashes and underscores, as in a topic’s name.')
  }
  if (log !== 'embedded') checkKafka(log)
  if (numThreads !== undefined && !(Number.isInteger(numThreads) && numThreads > 0)) {
    throw invalid(`numThreads is ${inspect(numThreads)}`, 'Give at least one thread.')
  }
  for (const name of ['commitIntervalMs', 'emitIntervalMs', 'standbyReplicas', 'cacheMaxBytes', 'repartitionPurgeIntervalMs'] as const) {
    if (config[name] !== undefined) checkAmount(name, config[name])
  }
  for (const [name, count] of Object.entries(config.capabilities ?? {})) {
    if (!(Number.isSafeInteger(count) && count >= 0)) throw invalid(`capabilities.${name} is ${inspect(count)}`, 'Give how many there are.')
  }
  const { maxTaskIdleMs, processing, deadLetterTopic, applicationServer, applicationServerSecret } = config
  if (applicationServer !== undefined && !isText(applicationServer, /^\S+:\d{1,5}$/)) {
    throw invalid(`applicationServer is ${inspect(applicationServer)}`, 'Write host:port.')
  }
  if (applicationServerSecret !== undefined && !isText(applicationServerSecret, /^[\x21-\x7e]{16,}$/)) {
    throw invalid(
      'applicationServerSecret is too short, or has other signs than may stand in a header',
      'Give at least 16 letters, digits and signs, the same to all processes.',
    )
  }
  if (maxTaskIdleMs !== undefined && !(typeof maxTaskIdleMs === 'number' && maxTaskIdleMs >= -1))
    throw invalid(`maxTaskIdleMs is ${inspect(maxTaskIdleMs)}`, 'Give milliseconds, or -1.')
  if (processing !== undefined && processing !== 'at_least_once' && processing !== 'exactly_once') {
    throw invalid(`processing is ${JSON.stringify(processing)}`, 'Set at_least_once or exactly_once.')
  }
  if (processing === 'exactly_once' && config.log !== 'embedded' && (config.commitIntervalMs ?? 0) > longestTransactionalMs) {
    throw invalid(
      `commitIntervalMs is ${config.commitIntervalMs}, and a transaction is open for as long`,
      `Give at most ${longestTransactionalMs} exactly once: brokers end a transaction after 15 minutes.`,
    )
  }
  if (deadLetterTopic !== undefined && !isText(deadLetterTopic, /^[A-Za-z0-9._-]{1,249}$/)) {
    throw invalid(`deadLetterTopic is ${inspect(deadLetterTopic)}`, 'Name a topic, of letters, digits, dots, dashes and underscores.')
  }
  for (const name of handlers) {
    if (config[name] !== undefined && typeof config[name] !== 'function')
      throw invalid(`${name} is not a function`, 'Give a function, or leave it out.')
  }
}

/** Throws WAGGLE_INVALID_CONFIG for a value that is not a number of at least 0, such as NaN, which a timer treats as 0. */
export function checkAmount(name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0)) throw invalid(`${name} is ${inspect(value)}`, 'Give a number of at least 0.')
}

function isText(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value)
}

function checkKafka(log: Exclude<StreamsConfig['log'], 'embedded'>): void {
  const { brokers } = (log as Partial<typeof log> | undefined)?.kafka ?? {}
  const isList = Array.isArray(brokers) && brokers.length > 0
  if (!isList || !brokers.every((one) => typeof one === 'string' && /^\S+:\d{1,5}$/.test(one))) {
    throw invalid(`log.kafka.brokers is ${JSON.stringify(brokers)}`, "Give at least one address as 'host:port', or set log: 'embedded'.")
  }
}

const handlers = ['deserializationHandler', 'processingHandler', 'productionHandler', 'uncaughtExceptionHandler', 'timestampExtractor'] as const

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_CONFIG', { message, next })
}

const longestTransactionalMs = 600_000
