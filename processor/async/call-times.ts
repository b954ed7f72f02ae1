/**
 * Predicts the time of a call from the number of its rows. The prediction is a line through the calls so far (least squares). A call's weight falls
 * by 5 % with each later call, so a slower machine or model is noticed within some twenty calls.
 */
export class CallTimes {
  #weight = 0
  #rows = 0
  #ms = 0
  #rowsRows = 0
  #rowsMs = 0
  #mostRows = 1

  observe(rows: number, ms: number): void {
    this.#weight = this.#weight * keep + 1
    this.#rows = this.#rows * keep + rows
    this.#ms = this.#ms * keep + ms
    this.#rowsRows = this.#rowsRows * keep + rows * rows
    this.#rowsMs = this.#rowsMs * keep + rows * ms
    if (rows > this.#mostRows) this.#mostRows = rows
  }

  /**
   * The time that a call is expected to take; 0 before the first call. If all batches so far had about the same size, a smaller batch is expected to
   * take as long as those batches.
   */
  expectedMs(rows: number): number {
    if (this.#weight === 0) return 0
    const { meanRows, meanMs, perRow, isSloped } = this.#line()
    return isSloped || rows > meanRows ? Math.max(0, meanMs + perRow * (rows - meanRows)) : meanMs
  }

  /**
   * The largest number of rows whose call is expected to take at most `targetMs`, from 1 to `max`. The result is at most twice the largest batch so
   * far, because the line says little about far larger batches.
   */
  mostRowsWithin(targetMs: number, max: number): number {
    const bound = Math.min(max, 2 * this.#mostRows)
    if (this.#weight === 0) return Math.min(bound, 1)
    const { meanRows, meanMs, perRow } = this.#line()
    const onLine = perRow > 0 ? Math.floor(meanRows + (targetMs - meanMs) / perRow + rounding) : meanMs <= targetMs ? bound : 1
    // Batches of one size do not show which part of a call's time is fixed. A slightly larger batch does.
    const next = meanMs <= clearlyWithin * targetMs ? Math.floor(meanRows * growth) + 1 : 1
    return Math.max(1, Math.min(bound, Math.max(onLine, next)))
  }

  /**
   * The line goes through the mean. The line also goes through the origin in two cases: if all batches had about the same size, or if the time for
   * zero rows would be negative.
   */
  #line(): { readonly meanRows: number; readonly meanMs: number; readonly perRow: number; readonly isSloped: boolean } {
    const meanRows = this.#rows / this.#weight
    const meanMs = this.#ms / this.#weight
    const variance = this.#rowsRows / this.#weight - meanRows * meanRows
    const throughOrigin = meanMs / meanRows
    if (variance < leastVariance) return { meanRows, meanMs, perRow: throughOrigin, isSloped: false }
    const slope = (this.#rowsMs / this.#weight - meanRows * meanMs) / variance
    return { meanRows, meanMs, perRow: Math.min(throughOrigin, Math.max(0, slope)), isSloped: true }
  }
}

/** The weight that a call keeps when the next one is observed. */
const keep = 0.95
/** If calls take less than this part of `targetMs`, a batch that is larger by the factor `growth` is tried. */
const clearlyWithin = 0.85
const growth = 1.05
/** A tolerance for rounding: a sum of decimal fractions may be slightly too small. */
const rounding = 1e-6
/** The least variance of batch sizes, in rows squared. Below it, the sizes of recent batches are too alike to show a slope. */
const leastVariance = 0.05
