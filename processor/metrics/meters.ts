import { type SampleTime, Sensor } from './sensor.ts'

/** One number of a running application, under Kafka Streams' name (KIP-444). */
export interface Metric {
  readonly group: string
  readonly name: string
  readonly tags: { readonly [tag: string]: string }
  readonly value: number
}

/** Statistics of a sensor. Each statistic is a metric, whose name is the sensor's name with the statistic as suffix. */
export type Statistic = keyof typeof statistics

const statistics = {
  avg: (sensor: Sensor, now: number) => sensor.average(now),
  min: (sensor: Sensor, now: number) => sensor.least(now),
  max: (sensor: Sensor, now: number) => sensor.most(now),
  /** `rate`: records a second. `sumRate`: the sum of the recorded values a second. */
  rate: (sensor: Sensor, now: number) => sensor.countPerSecond(now),
  sumRate: (sensor: Sensor, now: number) => sensor.sumPerSecond(now),
  total: ({ count }: Sensor) => count,
  sumTotal: ({ sum }: Sensor) => sum,
}

const suffixes: { readonly [statistic in Statistic]: string } = {
  avg: 'avg',
  min: 'min',
  max: 'max',
  rate: 'rate',
  sumRate: 'rate',
  total: 'total',
  sumTotal: 'total',
}

/** Sensors and gauges of one subject of Kafka Streams' metrics: a thread, a task, a node, a topic of a node, or a store. */
export class Meters {
  readonly #group: string
  readonly #tags: { readonly [tag: string]: string }
  readonly #time: SampleTime
  readonly #sensors: { readonly name: string; readonly sensor: Sensor; readonly kinds: readonly Statistic[] }[] = []
  readonly #gauges: { readonly name: string; readonly value: (now: number) => number }[] = []

  constructor(group: string, tags: { readonly [tag: string]: string }, time: SampleTime) {
    this.#group = group
    this.#tags = tags
    this.#time = time
  }

  sensor(name: string, kinds: readonly Statistic[]): Sensor {
    const sensor = new Sensor(this.#time)
    this.#sensors.push({ name, sensor, kinds })
    return sensor
  }

  gauge(name: string, value: (now: number) => number): void {
    this.#gauges.push({ name, value })
  }

  /** The metrics at `now`, epoch ms. */
  read(now: number): Metric[] {
    const [group, tags] = [this.#group, this.#tags]
    return [
      ...this.#sensors.flatMap(({ name, sensor, kinds }) =>
        kinds.map((one) => ({ group, name: `${name}-${suffixes[one]}`, tags, value: statistics[one](sensor, now) })),
      ),
      ...this.#gauges.map(({ name, value }) => ({ group, name, tags, value: value(now) })),
    ]
  }
}
