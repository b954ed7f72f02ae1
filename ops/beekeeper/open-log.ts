import { exec } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { KafkaLogOptions, KafkaSignIn } from '../../connectors/log/kafka/kafka-log.ts'
import { checkDataFormat, hadLog, refuseUnfinishedRestore, writeLogMade } from '../../connectors/system/data-format.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Log } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Settings } from '../config/settings.ts'
import { transactionTimeoutOn } from '../streams/kafka-cluster.ts'

export interface OpenLogOptions {
  /** The name of this process on a cluster, if the settings have no `instance`; null for no name. */
  readonly processId?: string | null
  /** Only for the embedded log. If true, a damaged directory opens with the records that remain. */
  readonly acceptLoss?: boolean
  /** Called with messages for the operator. */
  readonly onNotice?: (notice: string) => void
}

/**
 * Opens the log that the settings name. Throws WAGGLE_LOG_UNREACHABLE or WAGGLE_NOT_PERMITTED for a cluster, and WAGGLE_LOG_CORRUPT,
 * WAGGLE_DATA_FORMAT or WAGGLE_RESTORE_UNFINISHED for a directory.
 */
export async function openLog(settings: Settings, { processId = null, acceptLoss = false, onNotice = () => {} }: OpenLogOptions = {}): Promise<Log> {
  refuseUnfinishedRestore(settings.data_dir)
  if (settings.log === 'embedded') {
    const { openEmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
    const wasMade = hadLog(settings.data_dir)
    // FORMAT is written only after the log has opened, so that a refused start changes nothing for the next start.
    if (!wasMade || existsSync(join(settings.data_dir, 'FORMAT'))) checkDataFormat(settings.data_dir)
    const log = await openEmbeddedLog({
      directory: join(settings.data_dir, 'log'),
      clock: systemClock,
      maxBytes: settings.log_max_bytes,
      acceptLoss,
      wasMade,
      onNotice,
    })
    writeLogMade(settings.data_dir)
    checkDataFormat(settings.data_dir)
    return log
  }
  const options = { ...kafkaOptions(settings), ...(processId === null || settings.instance !== null ? {} : { instance: processId }) }
  if (settings.kafka_client === 'kafkajs') {
    const { openKafkaJsLog } = await import('../../connectors/log/kafkajs/kafkajs-log.ts')
    return openKafkaJsLog(options)
  }
  const { openKafkaLog } = await import('../../connectors/log/kafka/kafka-log.ts')
  return openKafkaLog(options)
}

export function kafkaOptions(settings: Settings): KafkaLogOptions {
  const ssl = tlsOf(settings)
  const sasl = signInOf(settings)
  return {
    brokers: (settings.kafka_brokers ?? '').split(',').map((address) => address.trim()),
    clientId: settings.kafka_client_id,
    processing: settings.processing,
    clock: systemClock,
    random: new SystemRandom(),
    // Every body that the gateway accepts must fit into a record, with its headers.
    maxRecordBytes: settings.max_body_bytes + headerRoomBytes,
    lingerMs: settings.linger_ms,
    transactionTimeoutMs: transactionTimeoutOn(settings.commit_interval_ms),
    sessionTimeoutMs: settings.session_timeout_ms,
    heartbeatIntervalMs: Math.min(3000, Math.floor(settings.session_timeout_ms / 3)),
    ...(settings.instance === null ? {} : { instance: settings.instance }),
    ...(settings.replication_factor === null ? {} : { replicationFactor: settings.replication_factor }),
    ...(ssl === null ? {} : { ssl }),
    ...(sasl === null ? {} : { sasl }),
  }
}

function tlsOf({ kafka_ssl, kafka_ssl_ca, kafka_ssl_cert, kafka_ssl_key }: Settings): NonNullable<KafkaLogOptions['ssl']> | null {
  if (kafka_ssl === 'off' && kafka_ssl_ca === null && kafka_ssl_cert === null) return null
  return {
    ...(kafka_ssl_ca === null ? {} : { ca: readFileSync(kafka_ssl_ca) }),
    ...(kafka_ssl_cert === null ? {} : { cert: readFileSync(kafka_ssl_cert) }),
    ...(kafka_ssl_key === null ? {} : { key: readFileSync(kafka_ssl_key) }),
  }
}

function signInOf(settings: Settings): KafkaSignIn | null {
  const { kafka_sasl_mechanism: mechanism, kafka_sasl_token: token, kafka_sasl_token_command: command } = settings
  if (mechanism === null) return null
  if (mechanism === 'oauthbearer') return { mechanism, token: command === null ? () => token ?? '' : () => tokenOf(command) }
  return { mechanism, username: settings.kafka_sasl_username ?? '', password: settings.kafka_sasl_password ?? '' }
}

async function tokenOf(command: string): Promise<string> {
  try {
    const { stdout } = await promisify(exec)(command, { timeout: 30_000 })
    return stdout.trim()
  } catch (thrown) {
    throw WaggleError.from('WAGGLE_NOT_PERMITTED', thrown, {
      message: 'The command for a Kafka token failed',
      next: 'Run the command of KAFKA_SASL_TOKEN_COMMAND by hand.',
    })
  }
}

const headerRoomBytes = 64 * 1024
