/** Tells a quiet thread from a busy one by the number of records in the last second or two. */
export class RecordRate {
  readonly #busyASecond: number
  #sinceMs = Number.NEGATIVE_INFINITY
  #count = 0
  #before = 0

  constructor(busyASecond: number) {
    this.#busyASecond = busyASecond
  }

  add(records: number, nowMs: number): void {
    this.#move(nowMs)
    this.#count += records
  }

  isLow(nowMs: number): boolean {
    this.#move(nowMs)
    return Math.max(this.#before, this.#count) < this.#busyASecond
  }

  #move(nowMs: number): void {
    const gone = nowMs - this.#sinceMs
    if (gone < windowMs) return
    this.#before = gone < 2 * windowMs ? this.#count : 0
    this.#count = 0
    this.#sinceMs = nowMs
  }
}

const windowMs = 1000
