import type { LogRecord, TopicPartition } from '../../../processor/ports.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'
import { RecordBatchReader } from './record-batch-reader.ts'
import { RecordBatchWriter } from './record-batch-writer.ts'

/** Records for one partition, from the first append until a broker has them. */
export class Batch {
  readonly topic: string
  readonly partition: number
  readonly set: BatchSet
  readonly writer: RecordBatchWriter
  readonly sinceMs: number
  /** Takes no more records. */
  isClosed = false
  /** Among its producer's batches to this partition; null until it is sent. */
  sequence: number | null = null
  /** It was on its way and no answer said what became of it. */
  mayBeWritten = false

  constructor(
    { topic, partition }: TopicPartition,
    options: { readonly set: BatchSet; readonly writer: RecordBatchWriter; readonly sinceMs: number },
  ) {
    this.topic = topic
    this.partition = partition
    this.set = options.set
    this.writer = options.writer
    this.sinceMs = options.sinceMs
  }

  /** The same records in batches of at most that size, or of one record, in order. */
  divided(maxBytes: number): readonly Batch[] {
    const { count } = this.writer
    const records: LogRecord[] = []
    new RecordBatchReader(this.writer.seal({ producerId: -1n, epoch: -1, sequence: -1, isTransactional: false }), 0, 0).readInto(records, count)
    const parts: Batch[] = []
    for (const record of records) {
      const producerRecord = { ...record, topic: this.topic, partition: this.partition }
      if (parts.at(-1)?.writer.append(producerRecord, maxBytes)) continue
      const part = new Batch(this, { set: this.set, writer: new RecordBatchWriter(), sinceMs: this.sinceMs })
      part.isClosed = true
      part.writer.append(producerRecord, maxBytes)
      parts.push(part)
    }
    return parts
  }
}

/** Batches that belong together: those of one commit, or those of a gateway. */
export interface BatchSet {
  /** False while what must come before is not done. */
  readonly maySend: boolean
  /** A base offset below 0: it was there already. */
  sent(batch: Batch, baseOffset: number): void
  /** It was too large for its topic, and goes as these. */
  divided(batch: Batch, parts: readonly Batch[]): void
  failed(batch: Batch, error: WaggleError): void
}

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}
