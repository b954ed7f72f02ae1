/** A limited amount that several holders share. */
class Pool {
  amount = 0
  holders = 0
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** True if the whole amount is used up, and a holder with the amount `own` has at least its fair part. */
  isUsedUp(own: number): boolean {
    return this.amount >= this.#max && own * this.holders >= this.#max
  }
}

/**
 * Limits the records that wait in the asynchronous nodes of one thread's tasks. Other records stay in the log. A task below its fair part may always
 * add records, so a stalled node takes no memory from other nodes. In total at most twice the limit waits, plus one record for each share.
 */
export class WaitingLimit {
  readonly #bytes: Pool
  readonly #records = new Map<string, Pool>()

  constructor(maxBytes: number) {
    this.#bytes = new Pool(maxBytes)
  }

  /** True if no share may add records. */
  get isFull(): boolean {
    return this.#bytes.isUsedUp(Number.POSITIVE_INFINITY)
  }

  /** The share of one node of one task. Nodes with the same `name` share `maxRecords`. */
  waitingShare(name: string, maxRecords: number): WaitingShare {
    const records = this.#records.get(name) ?? new Pool(maxRecords)
    this.#records.set(name, records)
    return new WaitingShare(this.#bytes, records)
  }
}

/** The part of a thread's waiting records that one node of one task holds. */
export class WaitingShare {
  readonly #allBytes: Pool
  readonly #allRecords: Pool
  #bytes = 0
  #records = 0

  constructor(allBytes: Pool, allRecords: Pool) {
    this.#allBytes = allBytes
    this.#allRecords = allRecords
    allBytes.holders++
    allRecords.holders++
  }

  get records(): number {
    return this.#records
  }

  get isFull(): boolean {
    return this.#allRecords.isUsedUp(this.#records) || this.#allBytes.isUsedUp(this.#bytes)
  }

  hold(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
    this.#allRecords.amount += records
    this.#allBytes.amount += bytes
  }

  letGo(records: number, bytes: number): void {
    this.hold(-records, -bytes)
  }

  leave(): void {
    this.letGo(this.#records, this.#bytes)
    this.#allBytes.holders--
    this.#allRecords.holders--
  }
}
