/** The time of one thread's sensors, in epoch ms. The thread sets it once a pass, so recording a number reads no clock. */
export interface SampleTime {
  now: number
}

/**
 * Recorded numbers, with the statistics of Kafka's sensors (`SampledStat`, `Rate`). Totals count from the start. Averages, extremes and rates cover
 * the two last windows of 30 s (`metrics.num.samples`, `metrics.sample.window.ms`) and the current one.
 */
export class Sensor {
  readonly #time: SampleTime
  readonly #samples: Sample[]
  #current: Sample
  #at = 0
  /** Count and sum of the samples that were dropped. */
  readonly #past = { count: 0, sum: 0 }

  constructor(time: SampleTime) {
    this.#time = time
    this.#current = new Sample(time.now)
    this.#samples = [this.#current]
  }

  record(value: number): void {
    const { now } = this.#time
    if (now - this.#current.start >= windowMs) this.#advance(now)
    const sample = this.#current
    sample.count++
    sample.sum += value
    if (value < sample.min) sample.min = value
    if (value > sample.max) sample.max = value
    sample.lastEvent = now
  }

  get count(): number {
    return this.#samples.reduce((all, { count }) => all + count, this.#past.count)
  }

  get sum(): number {
    return this.#samples.reduce((all, { sum }) => all + sum, this.#past.sum)
  }

  /** The average; NaN if no number was recorded within the windows, as in Kafka. Extremes are NaN then too. */
  average(now: number): number {
    const { count, sum } = this.#within(now)
    return count === 0 ? Number.NaN : sum / count
  }

  least(now: number): number {
    const { count, min } = this.#within(now)
    return count === 0 ? Number.NaN : min
  }

  most(now: number): number {
    const { count, max } = this.#within(now)
    return count === 0 ? Number.NaN : max
  }

  countPerSecond(now: number): number {
    return this.#within(now).count / (this.#spanMs(now) / 1000)
  }

  sumPerSecond(now: number): number {
    return this.#within(now).sum / (this.#spanMs(now) / 1000)
  }

  sumWithin(now: number): number {
    return this.#within(now).sum
  }

  #within(now: number): Sample {
    const all = new Sample(now)
    for (const sample of this.#samples) {
      if (now - sample.lastEvent >= windows * windowMs) this.#reset(sample, now)
      all.count += sample.count
      all.sum += sample.sum
      all.min = Math.min(all.min, sample.min)
      all.max = Math.max(all.max, sample.max)
    }
    return all
  }

  /**
   * The time that the samples cover. The result is at least the length of all windows but one. Without this minimum, a new sensor would show too high
   * a rate.
   */
  #spanMs(now: number): number {
    const elapsed = now - Math.min(...this.#samples.map(({ start }) => start))
    const missing = Math.max(0, windows - 1 - Math.floor(elapsed / windowMs))
    return Math.max(1, elapsed + missing * windowMs)
  }

  /** Starts the next sample. There is one sample more than there are windows, because the oldest sample may still overlap the windows. */
  #advance(now: number): void {
    this.#at = (this.#at + 1) % (windows + 1)
    const next = this.#samples[this.#at]
    if (next === undefined) this.#samples.push(new Sample(now))
    else this.#reset(next, now)
    this.#current = this.#samples[this.#at] ?? this.#current
  }

  #reset(sample: Sample, now: number): void {
    this.#past.count += sample.count
    this.#past.sum += sample.sum
    sample.reset(now)
  }
}

const windows = 2
const windowMs = 30_000

class Sample {
  start: number
  lastEvent: number
  count = 0
  sum = 0
  min = Number.POSITIVE_INFINITY
  max = Number.NEGATIVE_INFINITY

  constructor(now: number) {
    this.start = now
    this.lastEvent = now
  }

  reset(now: number): void {
    this.start = now
    this.lastEvent = now
    this.count = 0
    this.sum = 0
    this.min = Number.POSITIVE_INFINITY
    this.max = Number.NEGATIVE_INFINITY
  }
}
