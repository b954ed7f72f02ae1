import type { ProducerRecord, TopicPartition } from '../../../processor/ports.ts'
import { Batch, type BatchSet, type ProducerIdentity } from './batch.ts'
import { RecordBatchWriter } from './record-batch-writer.ts'

/** What is to be written to one partition, in order, numbered as the batches of one producer after another. */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  inFlight = false
  isEnlisting = false
  failures = 0
  retryAtMs = 0
  /** Since when brokers have said that there is no such topic; null where they know it. */
  unknownSinceMs: number | null = null
  #batches: Batch[] = []
  /** Less where the topic takes less. */
  #maxBatchBytes: number
  /** Who wrote what went last: whoever is asked for meanwhile has no part in a batch that may be in the log already. */
  #identity: ProducerIdentity | null = null
  #sequence = 0

  constructor({ topic, partition }: TopicPartition, maxBatchBytes: number) {
    this.topic = topic
    this.partition = partition
    this.#maxBatchBytes = maxBatchBytes
  }

  /** The one to be sent next, or on its way. */
  get head(): Batch | undefined {
    return this.#batches[0]
  }

  get batches(): readonly Batch[] {
    return this.#batches
  }

  get identity(): ProducerIdentity | null {
    return this.#identity
  }

  /** The last batch where it took it; one that is full takes nothing more. */
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
   * The head's bytes as they go to the broker. What was sent before goes again as whom it was sent, so that a broker that has it
   * knows it; only what never was takes its number from `identity`.
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

  /** The head is not in the log: the next one takes its number. */
  unnumber(): void {
    const batch = this.#batches[0]
    if (batch === undefined || batch.sequence === null) return
    this.#sequence = batch.sequence
    batch.sequence = null
  }

  /** The topic takes less than brokers usually do: half as much from now on, as often as it takes. */
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
