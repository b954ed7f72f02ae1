import type { Log } from '../../../processor/ports.ts'
import { type KafkaLogOptions, openLogOn } from '../kafka/kafka-log.ts'
import { KafkaJsClient } from './kafkajs-client.ts'

/**
 * A Kafka cluster through kafkajs, at least once. Its requests end where fencing by member begins (TxnOffsetCommit v1, OffsetFetch v4,
 * no static membership): what needs those is WAGGLE_NOT_SUPPORTED when it is asked for.
 */
export function openKafkaJsLog(options: KafkaLogOptions): Promise<Log> {
  return openLogOn(new KafkaJsClient(options), { ...options, transactions: null })
}
