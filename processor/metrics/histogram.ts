/** Counts of observed numbers by upper bounds, as a histogram of Prometheus has them. */
export class Histogram {
  readonly bounds: readonly number[]
  /** The number of observations between each bound and the previous bound. The last count is the number of observations above all bounds. */
  readonly #counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#counts = new Array<number>(bounds.length + 1).fill(0)
  }

  /** Adds a number, and returns the index of its bound. */
  observe(value: number): number {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.sum += value
    this.count++
    return at
  }

  /** The number of observations of at most each bound. */
  get cumulative(): readonly number[] {
    let sum = 0
    return this.bounds.map((_, at) => {
      sum += this.#counts[at] ?? 0
      return sum
    })
  }
}
