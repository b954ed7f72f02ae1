import type { RawRequest } from '../cluster/connections.ts'
import { WireReader, WireWriter } from './wire.ts'

export interface ProducePart {
  readonly topic: string
  readonly partition: number
  readonly batch: Buffer
}

export interface ProduceAnswer {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly baseOffset: number
  readonly message: string | null
}

/** Produce v9. The broker answers when all in-sync replicas have the batches. */
export function produceRequest(parts: readonly ProducePart[], options: { readonly transactionalId: string | null; readonly timeoutMs: number }) {
  const byTopic = Map.groupBy(parts, ({ topic }) => topic)
  const payload: Uint8Array[] = []
  let writer = new WireWriter().text(options.transactionalId).int16(allReplicas).int32(options.timeoutMs).length(byTopic.size)
  for (const [topic, partitions] of byTopic) {
    writer.text(topic).length(partitions.length)
    for (const { partition, batch } of partitions) {
      payload.push(writer.int32(partition).length(batch.length).done(), batch)
      writer = new WireWriter().noTags()
    }
    writer.noTags()
  }
  payload.push(writer.noTags().done())
  return { key: 0, version: 9, payload, parse } satisfies RawRequest<readonly ProduceAnswer[]>
}

function parse(answer: Buffer): readonly ProduceAnswer[] {
  const reader = new WireReader(answer)
  const answers: ProduceAnswer[] = []
  for (let topics = reader.length(); topics > 0; topics--) {
    const topic = reader.text() ?? ''
    for (let partitions = reader.length(); partitions > 0; partitions--) {
      const partition = reader.int32()
      const errorCode = reader.int16()
      const baseOffset = reader.int64()
      reader.int64()
      reader.int64()
      for (let left = reader.length(); left > 0; left--) {
        reader.int32()
        reader.text()
        reader.tags()
      }
      const message = reader.text()
      reader.tags()
      answers.push({ topic, partition, errorCode, baseOffset, message })
    }
    reader.tags()
  }
  return answers
}

const allReplicas = -1
