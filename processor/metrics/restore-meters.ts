import type { Clock } from '../ports.ts'
import { Meters, type Metric } from './meters.ts'
import type { Sensor } from './sensor.ts'

/** Metrics of restores, by Kafka Streams' names (KIP-869). */
export class RestoreMeters {
  readonly #time: { now: number }
  readonly #thread: string
  readonly #clock: Clock
  readonly #all: Meters
  readonly #records: Sensor
  readonly #tasks = new Map<string, TaskRestoreMeters>()
  readonly #remaining: (task: string) => number

  constructor(
    name: string,
    clock: Clock,
    gauges: { readonly restoring: () => number; readonly updating: () => number; readonly remaining: (task: string) => number },
  ) {
    this.#clock = clock
    this.#time = { now: clock.now() }
    this.#thread = `${name}-StateUpdater`
    this.#all = new Meters('stream-state-updater-metrics', { 'thread-id': this.#thread }, this.#time)
    this.#records = this.#all.sensor('restore-records', ['sumRate'])
    this.#all.gauge('active-restoring-tasks', gauges.restoring)
    this.#all.gauge('standby-updating-tasks', gauges.updating)
    this.#remaining = gauges.remaining
  }

  /** Counts restored records: `restore` for a task that waits for its state, `update` for a copy of a task that runs elsewhere. */
  record(task: string, kind: 'restore' | 'update', count: number): void {
    this.#time.now = this.#clock.now()
    this.#records.record(count)
    const meters = this.#tasks.get(task) ?? this.#newTask(task)
    meters[kind].record(count)
  }

  read(now: number): readonly Metric[] {
    return [...this.#all.read(now), ...[...this.#tasks.values()].flatMap(({ meters }) => meters.read(now))]
  }

  #newTask(task: string): TaskRestoreMeters {
    const meters = new Meters('stream-task-metrics', { 'thread-id': this.#thread, 'task-id': task }, this.#time)
    const made = { meters, restore: meters.sensor('restore', ['sumRate', 'sumTotal']), update: meters.sensor('update', ['sumRate', 'sumTotal']) }
    meters.gauge('restore-remaining-records-total', () => this.#remaining(task))
    this.#tasks.set(task, made)
    return made
  }
}

interface TaskRestoreMeters {
  readonly meters: Meters
  readonly restore: Sensor
  readonly update: Sensor
}
