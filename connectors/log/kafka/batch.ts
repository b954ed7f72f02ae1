import type { LogRecord, TopicPartition } from '../../../processor/ports.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'
import { RecordBatchReader } from './record-batch-reader.ts'
import { RecordBatchWriter } from './record-batch-writer.ts'

/** Records for one partition, from the first append until a broker has stored them. */
export class Batch {
  readonly topic: string
  readonly partition: number
  readonly set: BatchSet
  readonly writer: RecordBatchWriter
  readonly sinceMs: number
  /** True: the batch takes no more records. */
  isClosed = false
  /** The batch's number among its producer's batches to this partition; null until it is sent. */
  sequence: number | null = null
  /** True where the batch was sent and no answer came, so that a broker may have stored it. */
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

  /** The same records, in order, in batches of at most `maxBytes`. A record that is larger gets its own batch. */
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
  /** False while earlier work must be finished first. */
  readonly maySend: boolean
  /** A broker has stored the batch. `baseOffset` is below 0 where it had stored the batch before. */
  sent(batch: Batch, baseOffset: number): void
  /** The batch was too large for its topic. These parts are sent in its place. */
  divided(batch: Batch, parts: readonly Batch[]): void
  failed(batch: Batch, error: WaggleError): void
}

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}
