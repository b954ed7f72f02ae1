import { bytesIn, type LogRecord, type TopicPartition } from '../../../../processor/ports.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'
import { RecordBatchReader } from './record-batch-reader.ts'
import { RecordBatchWriter } from './record-batch-writer.ts'

/** Records for one partition, from the first append until a broker has stored them. */
export class Batch {
  readonly topic: string
  readonly partition: number
  readonly set: BatchSet
  readonly writer: RecordBatchWriter
  readonly sinceMs: number
  /** True when the batch takes no more records. */
  isClosed = false
  /** The number of this batch among the batches of its producer to this partition; null until the batch is sent. */
  sequence: number | null = null
  /** True if the batch was sent and no answer arrived. A broker may have stored the batch. */
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

  /** The same records in smaller batches of at most `maxBytes`. A record above this size gets a batch of its own. */
  divided(maxBytes: number): readonly Batch[] {
    const { count } = this.writer
    const records: LogRecord[] = []
    new RecordBatchReader(this.writer.seal({ producerId: -1n, epoch: -1, sequence: -1, isTransactional: false }), 0, 0).readInto(records, count)
    const parts: Batch[] = []
    for (const record of records) {
      const producerRecord = { ...record, value: bytesIn(record.value), topic: this.topic, partition: this.partition }
      if (parts.at(-1)?.writer.append(producerRecord, maxBytes)) continue
      const part = new Batch(this, { set: this.set, writer: new RecordBatchWriter(), sinceMs: this.sinceMs })
      part.isClosed = true
      part.writer.append(producerRecord, maxBytes)
      parts.push(part)
    }
    return parts
  }
}

/** The batches of one source: one commit of a task, or one plain producer, such as the producer of a gateway. */
export interface BatchSet {
  /** False while earlier batches must be sent first. */
  readonly maySend: boolean
  /** Called when a broker has stored the batch. `baseOffset` is below 0 if an earlier attempt had already stored the batch. */
  sent(batch: Batch, baseOffset: number): void
  /** Called when the batch was too large for its topic. The parts are sent in the place of the batch. */
  divided(batch: Batch, parts: readonly Batch[]): void
  failed(batch: Batch, error: WaggleError): void
}

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly epoch: number
}
