import { Meters, type Metric } from './meters.ts'
import type { SampleTime, Sensor } from './sensor.ts'

/** Metrics of a thread. Latencies are milliseconds, as in Kafka Streams at this level. */
export class ThreadMeters {
  readonly time: SampleTime
  readonly thread: string
  readonly commit: Sensor
  readonly poll: Sensor
  readonly pollRecords: Sensor
  readonly processRecords: Sensor
  /** Time per record, averaged over a pass. */
  readonly processLatency: Sensor
  readonly process: Sensor
  readonly punctuate: Sensor
  readonly taskCreated: Sensor
  readonly taskClosed: Sensor
  /** The number of the last pass of the loop that processed records. */
  lastPass = 0
  readonly #meters: Meters
  /** Sensors of the time that a pass of the loop spends on each part: polling, processing, punctuations, commits. */
  readonly #polling: Sensor
  readonly #processing: Sensor
  readonly #punctuating: Sensor
  readonly #committing: Sensor
  readonly #passes: Sensor

  /** `startedAt` is epoch ms. `state` gives the ordinal of Kafka Streams' StreamThread.State. */
  constructor(thread: string, { startedAt, state }: { readonly startedAt: number; readonly state: () => number }) {
    this.thread = thread
    this.time = { now: startedAt }
    const meters = new Meters('stream-thread-metrics', { 'thread-id': thread }, this.time)
    this.#meters = meters
    this.commit = this.#timed('commit')
    this.poll = this.#timed('poll')
    this.punctuate = this.#timed('punctuate')
    this.pollRecords = meters.sensor('poll-records', ['avg', 'max'])
    this.processLatency = meters.sensor('process-latency', ['avg', 'max'])
    this.processRecords = meters.sensor('process-records', ['avg', 'max'])
    this.process = meters.sensor('process', ['sumRate', 'sumTotal'])
    this.taskCreated = meters.sensor('task-created', ['rate', 'total'])
    this.taskClosed = meters.sensor('task-closed', ['rate', 'total'])
    this.#passes = meters.sensor('', [])
    // A thread without a pass in the last minute has waited for records all the time.
    this.#polling = this.#ratio('poll-ratio', { idle: 1 })
    this.#processing = this.#ratio('process-ratio')
    this.#punctuating = this.#ratio('punctuate-ratio')
    this.#committing = this.#ratio('commit-ratio')
    meters.gauge('thread-start-time', () => startedAt)
    meters.gauge('thread-state', state)
    meters.gauge('blocked-time-ns-total', () => this.#polling.sum * nanosecondsPerMs)
  }

  passed(spent: { readonly pollMs: number; readonly processMs: number; readonly punctuateMs: number; readonly commitMs: number }): void {
    const { pollMs, processMs, punctuateMs, commitMs } = spent
    this.#polling.record(pollMs)
    this.#processing.record(processMs)
    this.#punctuating.record(punctuateMs)
    this.#committing.record(commitMs)
    this.#passes.record(pollMs + processMs + punctuateMs + commitMs)
  }

  read(now: number): readonly Metric[] {
    return this.#meters.read(now)
  }

  #timed(name: string): Sensor {
    const latency = this.#meters.sensor(`${name}-latency`, ['avg', 'max'])
    this.#meters.gauge(`${name}-rate`, (now) => latency.countPerSecond(now))
    this.#meters.gauge(`${name}-total`, () => latency.count)
    return latency
  }

  /** `idle`: the share if the loop has ended no pass within the windows. */
  #ratio(name: string, { idle = 0 } = {}): Sensor {
    const spent = this.#meters.sensor(name, [])
    this.#meters.gauge(name, (now) => {
      const whole = this.#passes.sumWithin(now)
      if (whole > 0) return spent.sumWithin(now) / whole
      return this.#passes.count > 0 ? idle : 0
    })
    return spent
  }
}

const nanosecondsPerMs = 1_000_000
