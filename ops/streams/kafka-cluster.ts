import { join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Log, StateDirectory } from '../../processor/ports.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'

export interface ApplicationOnKafka {
  readonly log: Log
  readonly states: StateDirectory
  close(): Promise<void>
}

/**
 * Opens an application's log on a Kafka cluster, and its local state directory. Transactional ids contain the id of this directory, so that a process
 * that restarts can abort its old transactions at once. `stateName` is the name of the directory, for a process with several directories. The Kafka
 * client is loaded only here.
 */
export async function openOnKafka(
  config: Pick<StreamsConfig, 'applicationId' | 'stateDir' | 'processing' | 'commitIntervalMs'> & {
    readonly log: Exclude<StreamsConfig['log'], 'embedded'>
  },
  { stateName = config.applicationId }: { readonly stateName?: string } = {},
): Promise<ApplicationOnKafka> {
  const { applicationId, stateDir = '.waggle', processing = 'at_least_once', log: wanted } = config
  const { brokers, ssl, sasl, client } = wanted.kafka
  const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
  const open =
    client === 'kafkajs'
      ? (await import('../../connectors/log/kafkajs/kafkajs-log.ts')).openKafkaJsLog
      : (await import('../../connectors/log/kafka/kafka-log.ts')).openKafkaLog
  const random = new SystemRandom()
  const states = await openStateDirectory({ directory: join(stateDir, 'state', stateName), random })
  try {
    const log = await open({
      brokers,
      clientId: applicationId,
      processing,
      clock: systemClock,
      random,
      instance: states.processId,
      transactionTimeoutMs: transactionTimeoutOn(commitIntervalOn(config)),
      ...(ssl === undefined || ssl === false ? {} : { ssl: ssl === true ? {} : ssl }),
      ...(sasl === undefined ? {} : { sasl }),
    })
    const close = async () => {
      try {
        await log.close()
      } finally {
        await states.close()
      }
    }
    return { log, states, close }
  } catch (error) {
    await states.close()
    throw error
  }
}

/**
 * The interval between commits in ms, with the defaults of Kafka Streams. The interval is short with exactly_once, because readers get the records of
 * a transaction only at its end.
 */
export function commitIntervalOn({ processing, commitIntervalMs }: Pick<StreamsConfig, 'processing' | 'commitIntervalMs'>): number {
  return commitIntervalMs ?? (processing === 'exactly_once' ? 100 : 30_000)
}

/**
 * The timeout of a transaction in ms. A transaction is open for one commit interval and the time of the commit. Brokers allow at most
 * `transaction.max.timeout.ms`.
 */
export function transactionTimeoutOn(commitIntervalMs: number): number {
  return Math.min(longestTransactionMs, Math.max(usualTransactionMs, 3 * commitIntervalMs))
}

const usualTransactionMs = 10_000
/** The default of the broker setting `transaction.max.timeout.ms`. */
const longestTransactionMs = 900_000
