import type { Producer, ProducerRecord } from '../../../../processor/ports.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Batch, BatchSet } from '../wire/batch.ts'
import { IdempotentSender } from './idempotent-sender.ts'

export interface RecordProducerOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly maxBatchBytes: number
  readonly deliveryTimeoutMs: number
  readonly onClosed: (producer: RecordProducer) => void
}

interface Waiter {
  resolve(sent: { readonly offset: number }): void
  reject(error: WaggleError): void
}

/** Sends records without a commit. Records that are sent in one turn of the event loop share a batch. */
export class RecordProducer implements Producer, BatchSet {
  readonly maySend = true
  readonly #options: RecordProducerOptions
  readonly #sender: IdempotentSender
  readonly #waiters = new Map<Batch, Waiter[]>()
  #idle: (() => void)[] = []

  constructor(options: RecordProducerOptions) {
    this.#options = options
    this.#sender = new IdempotentSender({ ...options, lingerMs: 0, enlistment: null, holdsSeat: () => true })
  }

  get pendingBytes(): number {
    return this.#sender.pendingBytes
  }

  send(record: ProducerRecord): Promise<{ readonly offset: number }> {
    return new Promise((resolve, reject) => {
      const batch = this.#sender.append(record, this)
      const waiters = this.#waiters.get(batch)
      if (waiters === undefined) this.#waiters.set(batch, [{ resolve, reject }])
      else waiters.push({ resolve, reject })
    })
  }

  sent(batch: Batch, baseOffset: number): void {
    this.#take(batch).forEach(({ resolve }, at) => {
      resolve({ offset: baseOffset < 0 ? -1 : baseOffset + at })
    })
  }

  divided(batch: Batch, parts: readonly Batch[]): void {
    const waiters = this.#waiters.get(batch) ?? []
    this.#waiters.delete(batch)
    for (const part of parts) this.#waiters.set(part, waiters.splice(0, part.writer.count))
  }

  failed(batch: Batch, error: WaggleError): void {
    for (const { reject } of this.#take(batch)) reject(error)
  }

  /** Waits until all sent records are durable, then closes. */
  async close(): Promise<void> {
    this.#sender.flush()
    if (this.#waiters.size > 0 && !this.#options.cluster.isClosed) await new Promise<void>((resolve) => this.#idle.push(resolve))
    this.#options.onClosed(this)
    await this.#sender.close()
  }

  #take(batch: Batch): readonly Waiter[] {
    const waiters = this.#waiters.get(batch) ?? []
    this.#waiters.delete(batch)
    if (this.#waiters.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    return waiters
  }
}
