import { Meters, type Metric } from './meters.ts'
import type { SampleTime, Sensor } from './sensor.ts'

/** The number of records of one topic that passed one node, and their bytes as Kafka Streams counts them (KIP-846). */
export interface Traffic {
  records: number
  bytes: number
}

/**
 * Stands for the topic in metrics of a sink that chooses a topic for each record. Clients may choose such names, so a series for each name would have
 * no limit. No topic can have this name.
 */
export const chosenTopics = '(chosen)'

/** The name of the gauge for keys that wait in a join. */
export const joinWaiting = 'join-waiting-keys'

interface Owner {
  readonly time: SampleTime
  readonly thread: string
  /** The thread's sensor of punctuation times, in ms. */
  readonly punctuate: Sensor | null
  /** The number of the last pass of the thread's loop that processed records. */
  readonly lastPass: number
}

/**
 * Metrics of a task and its nodes. The metrics continue when the task is closed and opened again. Latencies are nanoseconds, as in Kafka Streams at
 * this level.
 */
export class TaskMeters {
  readonly time: SampleTime
  /** Counts processed records. The count is updated once a pass. */
  readonly process: Sensor
  /** Counts records that an operator drops, puts that a store refuses because they are past its retention, and failures that a handler skipped. */
  readonly dropped: Sensor
  /** The distance of records to stream time, in ms. */
  readonly lateness: Sensor
  /** Time per record, averaged over a pass of the thread's loop. */
  readonly processLatency: Sensor
  /** Counts records that were processed although an input was empty. */
  readonly enforced: Sensor
  readonly #owner: Owner
  #ratio = 0
  #ratioPass = 0
  #passMs = 0
  /** The number of buffered records. The open task sets this function. */
  buffered: () => number = () => 0
  readonly #all: Meters[] = []
  readonly #own: Meters
  readonly #tags: { readonly [tag: string]: string }
  readonly #threadPunctuate: Sensor | null
  readonly #punctuate: Sensor
  readonly #nodes = new Map<string, NodeMeters>()
  #deadLetters: Sensor | null = null
  readonly #buffers = new Map<string, BufferMeters>()

  constructor(task: string, owner: Owner) {
    this.time = owner.time
    this.#owner = owner
    this.#tags = { 'thread-id': owner.thread, 'task-id': task }
    this.#threadPunctuate = owner.punctuate
    const meters = this.#add('stream-task-metrics', {})
    this.#own = meters
    this.process = meters.sensor('process', ['sumRate', 'sumTotal'])
    this.processLatency = meters.sensor('process-latency', ['avg', 'max'])
    this.dropped = meters.sensor('dropped-records', ['rate', 'total'])
    this.lateness = meters.sensor('record-lateness', ['avg', 'max'])
    this.enforced = meters.sensor('enforced-processing', ['rate', 'total'])
    const punctuate = meters.sensor('punctuate-latency', ['avg', 'max'])
    meters.gauge('punctuate-rate', (now) => punctuate.countPerSecond(now))
    meters.gauge('punctuate-total', () => punctuate.count)
    this.#punctuate = punctuate
    meters.gauge('active-process-ratio', () => this.processRatio)
    meters.gauge('active-buffer-count', () => this.buffered())
  }

  punctuated(latencyMs: number): void {
    this.#punctuate.record(latencyMs * nanosecondsPerMs)
    this.#threadPunctuate?.record(latencyMs)
  }

  /** The task's part of the thread's processing time, in the last pass of the loop that processed records. */
  get processRatio(): number {
    return this.#ratioPass === this.#owner.lastPass ? this.#ratio : 0
  }

  /** Called when the task has been processed in a pass of the thread's loop. */
  passed(records: number, ms: number): void {
    this.#passMs = ms
    if (records > 0) this.processLatency.record((ms / records) * nanosecondsPerMs)
  }

  /** Ends a pass of the thread's loop in which the task was processed. `ms` is the time that all tasks took. */
  endPass(ms: number): void {
    this.#ratio = ms > 0 ? this.#passMs / ms : 0
    this.#ratioPass = this.#owner.lastPass
  }

  /** Counts skipped records that became dead letters. Kafka Streams has no such metric. */
  get deadLetters(): Sensor {
    this.#deadLetters ??= this.#own.sensor('dead-letters', ['total'])
    return this.#deadLetters
  }

  node(name: string): NodeMeters {
    return there(this.#nodes, name, () => new NodeMeters(name, (group, tags) => this.#add(group, tags)))
  }

  /** Metrics of a suppression's buffer, by its store. */
  buffer(store: string): BufferMeters {
    return there(this.#buffers, store, () => new BufferMeters(this.#add('stream-state-metrics', { 'in-memory-suppression-state-id': store })))
  }

  read(now: number): readonly Metric[] {
    return this.#all.flatMap((meters) => meters.read(now))
  }

  #add(group: string, tags: { readonly [tag: string]: string }): Meters {
    const meters = new Meters(group, { ...this.#tags, ...tags }, this.time)
    this.#all.push(meters)
    return meters
  }
}

type Add = (group: string, tags: { readonly [tag: string]: string }) => Meters

export class NodeMeters {
  readonly #meters: Meters
  readonly #add: Add
  readonly #name: string
  readonly #traffic = new Map<string, Traffic>()
  #endToEnd: Sensor | null = null
  #source: Sensor | null = null
  #suppressionEmit: Sensor | null = null
  #finalEmit: { readonly records: Sensor; readonly latencyMs: Sensor } | null = null
  #waiting: { count: number } | null = null

  constructor(name: string, add: Add) {
    this.#name = name
    this.#add = add
    this.#meters = add('stream-processor-node-metrics', { 'processor-node-id': name })
  }

  /** The age of records at a source or at a node without children (KIP-613): now minus their timestamp, in ms. */
  get endToEnd(): Sensor {
    this.#endToEnd ??= this.#meters.sensor('record-e2e-latency', ['avg', 'min', 'max'])
    return this.#endToEnd
  }

  /** Counts records at a source node. */
  get source(): Sensor {
    this.#source ??= this.#meters.sensor('process', ['sumRate', 'sumTotal'])
    return this.#source
  }

  get suppressionEmit(): Sensor {
    this.#suppressionEmit ??= this.#meters.sensor('suppression-emit', ['rate', 'total'])
    return this.#suppressionEmit
  }

  /** Metrics of an aggregation that emits on window close (KIP-825). */
  get finalEmit(): { readonly records: Sensor; readonly latencyMs: Sensor } {
    this.#finalEmit ??= {
      records: this.#meters.sensor('window-aggregate-final-emit', ['sumRate', 'sumTotal']),
      latencyMs: this.#meters.sensor('window-aggregate-final-emit-latency', ['avg', 'max']),
    }
    return this.#finalEmit
  }

  /** The keys that wait in a join of several inputs. Kafka Streams has no such metric. */
  get waiting(): { count: number } {
    if (this.#waiting === null) {
      const waiting = { count: 0 }
      this.#meters.gauge(joinWaiting, () => waiting.count)
      this.#waiting = waiting
    }
    return this.#waiting
  }

  traffic(topic: string, way: 'consumed' | 'produced'): Traffic {
    return there(this.#traffic, `${way} ${topic}`, () => {
      const traffic = { records: 0, bytes: 0 }
      const meters = this.#add('stream-topic-metrics', { 'processor-node-id': this.#name, topic })
      meters.gauge(`records-${way}-total`, () => traffic.records)
      meters.gauge(`bytes-${way}-total`, () => traffic.bytes)
      return traffic
    })
  }
}

export class BufferMeters {
  readonly count: Sensor
  readonly sizeBytes: Sensor

  constructor(meters: Meters) {
    this.count = meters.sensor('suppression-buffer-count', ['avg', 'max'])
    this.sizeBytes = meters.sensor('suppression-buffer-size', ['avg', 'max'])
  }
}

function there<T>(map: Map<string, T>, name: string, make: () => T): T {
  const found = map.get(name)
  if (found !== undefined) return found
  const made = make()
  map.set(name, made)
  return made
}

const nanosecondsPerMs = 1_000_000
