import { type CommitReceipt, partitionName } from '../../../../processor/ports.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'
import type { Batch, BatchSet } from '../wire/batch.ts'

/** The batches of records that one commit waits for. */
export class CommitBatches implements BatchSet {
  readonly #open = new Set<Batch>()
  readonly #ends = new Map<string, { readonly topic: string; readonly partition: number; offset: number }>()
  #hasSent = false
  #isSealed = false
  #error: WaggleError | null = null
  #report: (() => void) | null = null
  maySend: boolean

  constructor(options: { readonly maySend: boolean }) {
    this.maySend = options.maySend
  }

  get isEmpty(): boolean {
    return this.#open.size === 0 && !this.#hasSent && this.#error === null
  }

  add(batch: Batch): void {
    this.#open.add(batch)
  }

  /** Ends the commit's records: no batch is added after this call. Settles when all batches are acknowledged, and rejects when one fails. */
  acknowledged(): Promise<CommitReceipt> {
    this.#isSealed = true
    return new Promise((resolve, reject) => {
      this.#report = () => {
        if (this.#error !== null) reject(this.#error)
        else if (this.#open.size === 0) resolve({ ends: [...this.#ends.values()] })
      }
      this.#report()
    })
  }

  sent(batch: Batch, baseOffset: number): void {
    this.#open.delete(batch)
    const { topic, partition } = batch
    const name = partitionName(batch)
    const offset = Math.max(this.#ends.get(name)?.offset ?? 0, baseOffset + batch.writer.count)
    this.#hasSent = true
    // A broker sends no offset for a batch that an earlier attempt had already stored.
    if (baseOffset >= 0) this.#ends.set(name, { topic, partition, offset })
    if (this.#isSealed) this.#report?.()
  }

  divided(batch: Batch, parts: readonly Batch[]): void {
    this.#open.delete(batch)
    for (const part of parts) this.#open.add(part)
  }

  failed(_batch: Batch, error: WaggleError): void {
    this.fail(error)
  }

  fail(error: WaggleError): void {
    this.#error ??= error
    this.#report?.()
  }
}
