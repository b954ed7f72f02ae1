import { type Header, headerText } from '../record.ts'

/** All names of headers that a swarm's records have. Names are on the wire: a change breaks running swarms and their callers. */

/** The media type of the value. */
export const contentTypeHeader = 'content-type'
/** The W3C trace context that came with the request. */
export const traceParentHeader = 'traceparent'
/** The request that a record belongs to. */
export const requestIdHeader = 'waggle-request-id'
/** Epoch ms by which the request wants its answer. */
export const deadlineHeader = 'waggle-deadline'
export const gatewayHeader = 'waggle-gateway'
/** SHA-256 of the request's body: two bodies under one id are told apart by it. */
export const bodyHashHeader = 'waggle-body-hash'
/** Marks a record of the accepted topic that tells the ledger of a request, or asks for its state. A record without it is an outcome. */
export const acceptedHeader = 'waggle-accepted'
/** Header of a record that only asks for the state of the request with its id. */
export const asksHeader = 'waggle-asks'
/** The code of an error that is the value. */
export const errorHeader = 'waggle-error'

/** Epoch ms at which the call that made the value began and ended, and the number of inputs of that call. */
export const startedHeader = 'waggle-started-at'
export const finishedHeader = 'waggle-finished-at'
export const batchSizeHeader = 'waggle-batch-size'
/** Headers that describe a record's value and how it was made. They are dropped when the value is replaced. */
export const valueHeaders: ReadonlySet<string> = new Set([contentTypeHeader, errorHeader, startedHeader, finishedHeader, batchSizeHeader])

/** The place that a request names for its answer, in Waggle's headers and in those of Spring's ReplyingKafkaTemplate. */
export const replyTopicHeader = 'waggle-reply-topic'
export const replyPartitionHeader = 'waggle-reply-partition'
export const springReplyTopicHeader = 'kafka_replyTopic'
export const springReplyPartitionHeader = 'kafka_replyPartition'
export const correlationHeader = 'kafka_correlationId'
/** State of the request, and HTTP status of the answer, in an answer on a reply topic. */
export const requestStateHeader = 'waggle-request-state'
export const replyStatusHeader = 'waggle-status'

/** The cause of a dead letter, and the place of its input. */
export const deadLetterBeeHeader = 'waggle-dead-letter-bee'
export const deadLetterCodeHeader = 'waggle-dead-letter-code'
export const deadLetterDetailHeader = 'waggle-dead-letter-detail'
export const deadLetterTopicHeader = 'waggle-dead-letter-topic'
export const deadLetterPartitionHeader = 'waggle-dead-letter-partition'
export const deadLetterOffsetHeader = 'waggle-dead-letter-offset'
/** Marks a record that says what became of a dead letter: `retried` or `discarded`. */
export const deadLetterSettledHeader = 'waggle-dead-letter-settled'

/** The deadline in epoch ms; null where the record has none, or none that is a number. */
export function deadlineOf(headers: readonly Header[]): number | null {
  const text = headerText(headers, deadlineHeader)
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}
