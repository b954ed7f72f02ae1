import type { ProducerRecord, TopicPartition } from '../../../../processor/ports.ts'
import { Batch, type BatchSet, type ProducerIdentity } from '../wire/batch.ts'
import { RecordBatchWriter } from '../wire/record-batch-writer.ts'

/** The batches to write to one partition, in order. Each batch that is sent gets a sequence number of the producer identity. */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  inFlight = false
  isEnlisting = false
  failures = 0
  retryAtMs = 0
  /** The time since when brokers have not known the topic; null while they know the topic. */
  unknownSinceMs: number | null = null
  #batches: Batch[] = []
  /** The size limit of a batch. The limit shrinks if the topic accepts only smaller batches. */
  #maxBatchBytes: number
  /** The producer identity of the last sent batch. A batch that the log may contain keeps this identity, even if the sender has a newer identity. */
  #identity: ProducerIdentity | null = null
  #sequence = 0

  constructor({ topic, partition }: TopicPartition, maxBatchBytes: number) {
    this.topic = topic
    this.partition = partition
    this.#maxBatchBytes = maxBatchBytes
  }

  /** The batch in flight, or else the next batch to send. */
  get head(): Batch | undefined {
    return this.#batches[0]
  }

  get batches(): readonly Batch[] {
    return this.#batches
  }

  get identity(): ProducerIdentity | null {
    return this.#identity
  }

  /** Adds the record to the last batch, and returns that batch; null if the record does not fit. A full batch is closed. */
  appendToLast(record: ProducerRecord, set: BatchSet): Batch | null {
    const last = this.#batches.at(-1)
    if (last === undefined || last.set !== set || last.isClosed) return null
    if (last.writer.append(record, this.#maxBatchBytes)) return last
    last.isClosed = true
    return null
  }

  append(record: ProducerRecord, options: { readonly set: BatchSet; readonly spare: Buffer | undefined; readonly sinceMs: number }): Batch {
    const { set, spare, sinceMs } = options
    const batch = new Batch(record, { set, writer: new RecordBatchWriter(spare), sinceMs })
    batch.writer.append(record, this.#maxBatchBytes)
    this.#batches.push(batch)
    return batch
  }

  /**
   * The bytes of the head for the broker. A batch that was sent before keeps its identity and number, so that a broker recognises the batch. A new
   * batch gets its number from `identity`.
   */
  seal(identity: ProducerIdentity, { isTransactional }: { readonly isTransactional: boolean }): Buffer {
    const batch = this.#batches[0]
    if (batch === undefined) throw new Error('an empty queue has nothing to send')
    batch.isClosed = true
    if (batch.sequence === null) {
      if (this.#identity !== identity) this.#sequence = 0
      this.#identity = identity
      batch.sequence = this.#sequence
      this.#sequence = (this.#sequence + batch.writer.count) % sequenceEnd
    }
    return batch.writer.seal({ ...(this.#identity ?? identity), sequence: batch.sequence, isTransactional })
  }

  /** Takes back the number of the head, because the log does not contain the head. The next batch gets this number. */
  unnumber(): void {
    const batch = this.#batches[0]
    if (batch === undefined || batch.sequence === null) return
    this.#sequence = batch.sequence
    batch.sequence = null
  }

  /** Divides the head, which is too large for the topic. Halves the size limit of later batches. */
  divide(): { readonly batch: Batch; readonly parts: readonly Batch[] } {
    const [batch] = this.#batches
    if (batch === undefined) throw new Error('an empty queue has nothing to divide')
    this.unnumber()
    this.#maxBatchBytes = Math.floor(batch.writer.size / 2)
    const parts = batch.divided(this.#maxBatchBytes)
    this.#batches.splice(0, 1, ...parts)
    return { batch, parts }
  }

  shift(): void {
    this.#batches.shift()
  }
}

const sequenceEnd = 2 ** 31
