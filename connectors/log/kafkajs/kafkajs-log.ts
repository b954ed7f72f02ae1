import type { Log } from '../../../processor/ports.ts'
import { type KafkaLogOptions, openLogOn } from '../kafka/kafka-log.ts'
import { KafkaJsClient } from './kafkajs-client.ts'

/**
 * A Kafka cluster through kafkajs, with at-least-once processing. kafkajs speaks versions (TxnOffsetCommit v1, OffsetFetch v4) without fencing by
 * member and without static membership. Settings that need them throw WAGGLE_NOT_SUPPORTED.
 */
export function openKafkaJsLog(options: KafkaLogOptions): Promise<Log> {
  return openLogOn(new KafkaJsClient(options), { ...options, transactions: null })
}
