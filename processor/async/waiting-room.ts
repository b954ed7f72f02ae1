/** An amount with a bound, which its holders use together. */
class Pool {
  amount = 0
  holders = 0
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** The whole is used up, and so is the fair part of one that holds `own`. */
  isUsedUp(own: number): boolean {
    return this.amount >= this.#max && own * this.holders >= this.#max
  }
}

/**
 * How much may wait in the asynchronous nodes of one thread's tasks, all together: the rest stays in the log. A task that holds less
 * than its fair part is never turned away, so a node that stands still takes no part of another. In all no more than twice the bound
 * waits, and beyond it at most the last record of each share.
 */
export class WaitingRoom {
  readonly #bytes: Pool
  readonly #records = new Map<string, Pool>()

  constructor(maxBytes: number) {
    this.#bytes = new Pool(maxBytes)
  }

  /** Nothing more comes until something goes. */
  get isFull(): boolean {
    return this.#bytes.isUsedUp(Number.POSITIVE_INFINITY)
  }

  /** The share of one node of one task. Nodes with the same `name` share `maxRecords`. */
  roomShare(name: string, maxRecords: number): RoomShare {
    const records = this.#records.get(name) ?? new Pool(maxRecords)
    this.#records.set(name, records)
    return new RoomShare(this.#bytes, records)
  }
}

/** The part of its thread's waiting room that one node of one task holds. */
export class RoomShare {
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
