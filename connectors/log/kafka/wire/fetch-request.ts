import type { TopicPartition } from '../../../../processor/ports.ts'
import type { RawRequest } from '../cluster/connections.ts'
import type { AbortedTransaction } from './record-batch-reader.ts'
import { WireReader, WireWriter } from './wire.ts'

export interface FetchAsk {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FetchAnswer {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** All transactions before this offset are committed or aborted. */
  readonly lastStableOffset: number
  readonly aborted: readonly AbortedTransaction[]
  readonly bytes: Buffer
}

/** The content of a fetch request within a fetch session (KIP-227). */
export interface SessionAsk {
  readonly session: number
  /** The number of the request within its session. 0 begins a new session with all partitions. */
  readonly epoch: number
  readonly asks: readonly FetchAsk[]
  readonly forgotten: readonly TopicPartition[]
}

/** Fetch v12 for committed records. Returns batches as bytes. */
export function fetchRequest(
  { session, epoch, asks, forgotten }: SessionAsk,
  bounds: { readonly maxWaitMs: number; readonly maxBytes: number; readonly maxPartitionBytes: number },
) {
  const byTopic = Map.groupBy(asks, ({ topic }) => topic)
  const writer = new WireWriter()
  writer.int32(-1).int32(bounds.maxWaitMs).int32(1).int32(bounds.maxBytes).int8(readCommitted).int32(session).int32(epoch).length(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    writer.text(topic).length(partitions.length)
    for (const { partition, offset } of partitions) {
      writer.int32(partition).int32(-1).int64(offset).int32(-1).int64(-1).int32(bounds.maxPartitionBytes).noTags()
    }
    writer.noTags()
  }
  const forgottenByTopic = Map.groupBy(forgotten, ({ topic }) => topic)
  writer.length(forgottenByTopic.size)
  for (const [topic, partitions] of forgottenByTopic) {
    writer.text(topic).length(partitions.length)
    for (const { partition } of partitions) writer.int32(partition)
    writer.noTags()
  }
  writer.text('').noTags()
  return { key: 1, version: 12, payload: [writer.done()], parse } satisfies RawRequest<FetchResponse>
}

export interface FetchResponse {
  readonly errorCode: number
  /** The broker's id of the session; 0 if the broker keeps no session. */
  readonly session: number
  readonly answers: readonly FetchAnswer[]
}

function parse(answer: Buffer): FetchResponse {
  const reader = new WireReader(answer)
  reader.int32()
  const errorCode = reader.int16()
  const session = reader.int32()
  const answers: FetchAnswer[] = []
  for (let topics = reader.length(); topics > 0; topics--) {
    const topic = reader.text() ?? ''
    for (let partitions = reader.length(); partitions > 0; partitions--) answers.push(partitionAnswer(topic, reader))
    reader.tags()
  }
  return { errorCode, session, answers }
}

function partitionAnswer(topic: string, reader: WireReader): FetchAnswer {
  const partition = reader.int32()
  const errorCode = reader.int16()
  reader.int64()
  const lastStableOffset = reader.int64()
  reader.int64()
  const aborted: AbortedTransaction[] = []
  for (let left = reader.length(); left > 0; left--) {
    const producerId = reader.bigInt64()
    aborted.push({ producerId, firstOffset: reader.int64() })
    reader.tags()
  }
  reader.int32()
  const bytes = reader.bytes()
  reader.tags()
  return { topic, partition, errorCode, lastStableOffset, aborted, bytes }
}

const readCommitted = 1
