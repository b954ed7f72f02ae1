import type { Log } from '../../../processor/ports.ts'
import { type KafkaLogOptions, openLogOn } from '../kafka/kafka-log.ts'
import { KafkaJsClient } from './kafkajs-client.ts'

/**
 * A Kafka cluster through kafkajs, with at-least-once processing. kafkajs uses old versions of requests (TxnOffsetCommit v1, OffsetFetch v4), which
 * have no fencing by member and no static membership. A setting that needs either of these throws WAGGLE_NOT_SUPPORTED.
 */
export function openKafkaJsLog(options: KafkaLogOptions): Promise<Log> {
  return openLogOn(new KafkaJsClient(options), { ...options, transactions: null })
}
