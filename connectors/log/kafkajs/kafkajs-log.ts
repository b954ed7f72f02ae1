import type { Log } from '../../../processor/ports.ts'
import { type KafkaLogOptions, openLogOn } from '../kafka/kafka-log.ts'
import { KafkaJsClient } from './kafkajs-client.ts'

/**
 * A Kafka cluster through kafkajs, with at-least-once processing. The versions of its requests (TxnOffsetCommit v1, OffsetFetch v4) have neither fencing by
 * member nor static membership. Throws WAGGLE_NOT_SUPPORTED where these are needed.
 */
export function openKafkaJsLog(options: KafkaLogOptions): Promise<Log> {
  return openLogOn(new KafkaJsClient(options), { ...options, transactions: null })
}
