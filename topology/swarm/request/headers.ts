import { type Header, headerText } from '../../record.ts'

/** All names of headers in a swarm's records. Names are part of the protocol: a change breaks running swarms and their callers. */

/** The media type of the value. */
export const contentTypeHeader = 'content-type'
/** The W3C trace context of the request. */
export const traceParentHeader = 'traceparent'
export const traceStateHeader = 'tracestate'
/** W3C Baggage: information from a caller for all servers that take part in its request. */
export const baggageHeader = 'baggage'
/** The id of the request that a record belongs to. */
export const requestIdHeader = 'waggle-request-id'
/** The time by which the request wants its answer, in epoch ms. */
export const deadlineHeader = 'waggle-deadline'
export const gatewayHeader = 'waggle-gateway'
/** SHA-256 of the request's body. The hash shows whether two requests under one id have different bodies. */
export const bodyHashHeader = 'waggle-body-hash'
/** Marks a record of the accepted topic that tells the ledger about a request, or asks for its state. A record without this header is an outcome. */
export const acceptedHeader = 'waggle-accepted'
/** Marks a record that only asks for the state of the request whose id the record has. */
export const asksHeader = 'waggle-asks'
/** The error code, if the value is an error. */
export const errorHeader = 'waggle-error'

/**
 * Marks a value that a bee published beside its answer, and every record that this value causes. The ledger has the answer already, so a result with
 * this mark is no outcome.
 */
export const answeredHeader = 'waggle-answered'
/**
 * Marks a record of the accepted topic about a request that a bee has not answered, although the bee may answer. The header is `BEE`, or `BEE TOPIC`
 * if the bee reads several topics as they come. The record's value is the error of the bee, or says that the bee has not answered.
 */
export const unansweredHeader = 'waggle-unanswered'
/** The bee that wrote the record, and the readers that the record is for: `BEE:READER,READER`. Without this header the record is for all readers. */
export const branchesHeader = 'waggle-branches'
/** The round of a request in each loop that it is in: `LOOP=ROUND,LOOP=ROUND`. */
export const roundsHeader = 'waggle-rounds'
/** The hash of a cache's input, for each cache that waits for a result: `CACHE=HASH`. */
export const cacheKeysHeader = 'waggle-cache-keys'
/** The request id of a record whose key is the hash of a cache's input, instead of the request id. */
export const cachedRequestHeader = 'waggle-cached-request'
/** The bee of the DSL whose steps a record passes. The record's key may differ from the request id. */
export const streamBeeHeader = 'waggle-stream-bee'

/**
 * Four headers about the call that made the value: its start and its end, in epoch ms, the number of its inputs, and the reason why its batch was
 * sent.
 */
export const startedHeader = 'waggle-started-at'
export const finishedHeader = 'waggle-finished-at'
export const batchSizeHeader = 'waggle-batch-size'
export const sentHeader = 'waggle-batch-sent'
/**
 * The times of earlier bees of the same sub-topology, whose results no topic carries: `BEE=START+MS/BATCH`, with commas between them. START is in
 * epoch ms, MS the duration of the call, BATCH the number of inputs of that call.
 */
export const innerCallsHeader = 'waggle-inner-calls'
/** Headers that describe a record's value and how it was made. These headers are dropped when the value is replaced. */
export const valueHeaders: ReadonlySet<string> = new Set([
  contentTypeHeader,
  errorHeader,
  branchesHeader,
  startedHeader,
  finishedHeader,
  batchSizeHeader,
  sentHeader,
  innerCallsHeader,
])

/** The prefix of all headers that say where the answer goes. */
export const replyPrefix = 'waggle-reply-'
export const springReplyPrefix = 'kafka_reply'
/** The topic and partition for the answer, in Waggle's headers and in the headers of Spring's ReplyingKafkaTemplate. */
export const replyTopicHeader = 'waggle-reply-topic'
export const replyPartitionHeader = 'waggle-reply-partition'
export const springReplyTopicHeader = 'kafka_replyTopic'
export const springReplyPartitionHeader = 'kafka_replyPartition'
export const correlationHeader = 'kafka_correlationId'
/** The time of a server's clock. A record of an answers topic with this header is a clock sign for other servers, and not an answer. */
export const clockSignHeader = 'waggle-clock'
/** The state of the request, and the HTTP status of the answer, in an answer on a reply topic. */
export const requestStateHeader = 'waggle-request-state'
export const replyStatusHeader = 'waggle-status'

/** The cause of a dead letter, and the topic, partition and offset of its input. */
export const deadLetterBeeHeader = 'waggle-dead-letter-bee'
export const deadLetterCodeHeader = 'waggle-dead-letter-code'
export const deadLetterDetailHeader = 'waggle-dead-letter-detail'
export const deadLetterTopicHeader = 'waggle-dead-letter-topic'
export const deadLetterPartitionHeader = 'waggle-dead-letter-partition'
export const deadLetterOffsetHeader = 'waggle-dead-letter-offset'
/** Marks a record that tells how a dead letter was settled: `retried` or `discarded`. */
export const deadLetterSettledHeader = 'waggle-dead-letter-settled'
/** The name of the replay that sent the request again. A later replay leaves such requests out. */
export const replayHeader = 'waggle-replay'

/** The deadline in epoch ms; null if there is none, or if it is not a number. */
export function deadlineOf(headers: readonly Header[]): number | null {
  const text = headerText(headers, deadlineHeader)
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}
