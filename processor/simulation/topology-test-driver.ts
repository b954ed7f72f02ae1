import type { AsyncStep } from '../../topology/async-step.ts'
import { decorated } from '../../topology/decorated.ts'
import type { AsyncNode, Topology } from '../../topology/graph.ts'
import { changelogTopic } from '../../topology/naming.ts'
import { type Header, noHeaders, type Record } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeyValueStore, SessionStore, StateStore, WindowStore } from '../../topology/state-store.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { RowBatcher } from '../async/row-batcher.ts'
import { partitionForKey } from '../partitioner.ts'
import { Handed, type LogRecord, type Position, type ProducerRecord, type StoreChange, type TopicPartition } from '../ports.ts'
import { changelogRecord } from '../state/changelog.ts'
import { GlobalStores } from '../state/global-stores.ts'
import { openStore, type TaskStore } from '../state/task-store.ts'
import { type FailurePolicy, failurePolicy, StandingFailure } from '../task/failures.ts'
import { QueueHeap } from '../task/queue-heap.ts'
import { Task } from '../task/task.ts'
import { OpenWorkers } from '../thread/open-workers.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { Uncommitted } from './uncommitted.ts'

export interface TestDriverConfig extends Partial<StreamsConfig> {
  /** Epoch ms of the wall clock at first. */
  readonly startTimeMs?: number
  /** Of input topics; what the topology makes itself has as many as its inputs. 1 where not said. */
  readonly partitions?: { readonly [topic: string]: number }
}

/**
 * Runs the real tasks of a topology, one record at a time, on a clock that only moves by hand: a record's whole consequence is there
 * when `pipeInput` has settled. Each record is a commit of its own, so that a crash loses nothing but what a test wants lost.
 */
export class TopologyTestDriver implements AsyncDisposable {
  readonly #unresolved: Topology
  #topology: Topology
  readonly #applicationId: string
  readonly #partitions: { readonly [topic: string]: number }
  readonly #failures: FailurePolicy
  readonly #emitIntervalMs: number
  readonly #clock: SimulatedClock
  readonly #disk = new SimulatedDisk()
  readonly #positions = new Map<string, Position>()
  readonly #uncommitted = new Uncommitted()
  readonly #ends = new Map<string, number>()
  readonly #topics = new Set<string>()
  readonly #outputs = new Map<string, LogRecord[]>()
  #tasks: Task[] = []
  #globalTasks: Task[] = []
  #waiting = new QueueHeap()
  #workers: OpenWorkers | null = null
  readonly #batchers = new Map<string, RowBatcher<unknown, unknown, unknown, unknown>>()
  #stores: { readonly task: string; readonly store: StateStore }[] = []
  #readers = new Map<string, Task[]>()

  constructor(topology: Topology, config: TestDriverConfig = {}) {
    const { defaultKeySerde, defaultValueSerde, timestampExtractor, applicationId, partitions, startTimeMs } = config
    this.#applicationId = applicationId ?? 'test'
    this.#unresolved = decorated(topology, this.#applicationId, {
      key: defaultKeySerde ?? null,
      value: defaultValueSerde ?? null,
      timestampExtractor: timestampExtractor ?? null,
    })
    this.#topology = this.#unresolved.withTopics([])
    this.#failures = failurePolicy(config)
    this.#emitIntervalMs = config.emitIntervalMs ?? 0
    this.#partitions = partitions ?? {}
    this.#clock = new SimulatedClock(startTimeMs ?? 0)
    this.#open()
  }

  createInputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>): TestInputTopic<K, V> {
    this.#discover(name)
    return new TestInputTopic(this.#clock, (record) => this.#pipe({ ...record, topic: name }), name, key, value)
  }

  /** A topic that a source's pattern may match is read from now on. */
  #discover(topic: string): void {
    if (this.#topics.has(topic)) return
    this.#topics.add(topic)
    const topology = this.#unresolved.withTopics([...this.#topics])
    if (topology === this.#topology) return
    this.#topology = topology
    this.#open()
  }

  createOutputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>): TestOutputTopic<K, V> {
    return new TestOutputTopic(this.#outputOf(name), name, key, value)
  }

  /** Topics that something was written to, inputs left out. */
  get producedTopicNames(): readonly string[] {
    const own = new Set(this.#topology.subtopologies().flatMap(({ sources }) => sources))
    return [...this.#outputs.keys()].filter((topic) => !own.has(topic) || this.#topology.internalTopics.has(topic)).sort()
  }

  async advanceWallClockTime(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    for (const task of this.#tasks) task.punctuate(this.#clock.now())
    this.#commit()
    await this.#settle()
  }

  getKeyValueStore<K, V>(name: string): KeyValueStore<K, V> {
    return this.#store(name) as KeyValueStore<K, V>
  }

  getWindowStore<K, V>(name: string): WindowStore<K, V> {
    return this.#store(name) as WindowStore<K, V>
  }

  getSessionStore<K, V>(name: string): SessionStore<K, V> {
    return this.#store(name) as SessionStore<K, V>
  }

  /** Beyond Kafka's: kills the tasks where they stand and starts them from what is committed. */
  async crash(): Promise<void> {
    this.#open()
  }

  async close(): Promise<void> {
    for (const task of this.#tasks) task.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): void {
    for (const batcher of this.#batchers.values()) batcher.close()
    this.#batchers.clear()
    this.#tasks = []
    this.#globalTasks = []
    this.#waiting = new QueueHeap()
    this.#stores = []
    this.#readers = new Map()
    const globals = new GlobalStores()
    const subtopologies = this.#topology.subtopologies()
    for (const subtopology of [...subtopologies.filter(({ isGlobal }) => isGlobal), ...subtopologies.filter(({ isGlobal }) => !isGlobal)]) {
      const count = Math.max(...subtopology.sources.map((topic) => this.#partitionsOf(topic)))
      const groups = Array.from({ length: count }, (_, partition) =>
        subtopology.sources.filter((topic) => partition < this.#partitionsOf(topic)).map((topic) => ({ topic, partition })),
      )
      for (const [partition, read] of (subtopology.isGlobal ? [groups.flat()] : groups).entries()) {
        const id = `${subtopology.id}_${partition}`
        const inputs = read.map((input) => ({ ...input, position: this.#positions.get(readerOf(id, input)) ?? null }))
        const stateName = `${this.#applicationId}/${subtopology.isGlobal ? 'global' : partition}`
        const time = { now: -1 }
        const stores = new Map<string, TaskStore>()
        for (const builder of subtopology.stores) {
          const topic = changelogTopic(this.#applicationId, builder.name)
          const store = openStore(builder, this.#disk.store(stateName, builder.name), { topic, maxEntries: maxCachedEntries, time })
          stores.set(builder.name, store)
          if (subtopology.isGlobal) globals.set(store.store)
          this.#stores.push({ task: stateName, store: store.store })
        }
        const task = new Task(
          {
            id,
            subtopology,
            partition,
            time,
            inputs,
            stores,
            globals: subtopology.isGlobal ? new Map() : globals.views,
            usersOf: (store) => this.#topology.usersOf(store),
            stateName,
            waiting: subtopology.isGlobal ? new QueueHeap() : this.#waiting,
          },
          {
            applicationId: this.#applicationId,
            clock: this.#clock,
            handsOn: false,
            failures: this.#failures,
            emitIntervalMs: this.#emitIntervalMs,
            partitionsOf: (topic) => this.#partitionsOf(topic),
            emit: (record) => this.#emit(record),
            batcher: (node) => this.#batcher(node),
            requestCommit() {},
            wake() {},
          },
        )
        this.#tasks.push(task)
        if (subtopology.isGlobal) this.#globalTasks.push(task)
        for (const input of inputs) task.add(input.topic, input.partition, this.#uncommitted.of(readerOf(id, input)))
        for (const input of inputs) this.#readers.set(placeOf(input), [...(this.#readers.get(placeOf(input)) ?? []), task])
      }
    }
  }

  async #pipe(record: Omit<ProducerRecord, 'partition'>): Promise<void> {
    const partitions = this.#partitionsOf(record.topic)
    this.#emit({ ...record, partition: record.key === null ? 0 : partitionForKey(record.key, partitions) })
    await this.#settle()
  }

  /** Everything that can happen without the clock moving. */
  async #settle(): Promise<void> {
    this.#workers ??= await OpenWorkers.open(this.#topology)
    this.#processAll()
    while (this.#tasks.some((task) => task.inFlight > 0)) {
      await this.#clock.settle()
      const drained = this.#tasks.filter((task) => this.#unwrapped(() => task.drain())).length > 0
      this.#commit()
      this.#processAll()
      if (!drained && ![...this.#batchers.values()].some(({ calls }) => calls > 0)) return
    }
  }

  #batcher(node: AsyncNode): RowBatcher<unknown, unknown, unknown, unknown> {
    const there = this.#batchers.get(node.name)
    if (there !== undefined) return there
    if (this.#workers === null) throw new WaggleError('WAGGLE_INTERNAL', { message: `${node.name} is not open`, next: 'Report this as a bug.' })
    const step = node.step as unknown as AsyncStep<unknown, unknown, unknown, unknown>
    const batcher = new RowBatcher(step, this.#workers.of(node), this.#clock, null)
    this.#batchers.set(node.name, batcher)
    return batcher
  }

  /** What a handler let stand, as what it is. */
  #unwrapped<T>(act: () => T): T {
    try {
      return act()
    } catch (thrown) {
      throw thrown instanceof StandingFailure ? thrown.cause : thrown
    }
  }

  /** Oldest record first, over all tasks, as one task of Kafka Streams chooses among its inputs. */
  #processAll(): void {
    for (;;) {
      const queue = this.#waiting.first
      if (queue === undefined) return
      this.#unwrapped(() => this.#tasks.some((task) => task.processFirst(queue)))
      this.#commit()
    }
  }

  #commit(): void {
    const state: StoreChange[] = []
    for (const task of this.#tasks) {
      const positions: (TopicPartition & Position)[] = []
      task.takeCommit(positions, state)
      for (const position of positions) {
        const reader = readerOf(task.id, position)
        this.#positions.set(reader, position)
        if (task.takesTime) this.#uncommitted.passed(reader, position.offset)
      }
    }
    for (const { task, store, entries } of state) {
      const rows = this.#disk.store(task, store)
      for (const [key, value] of entries) rows.change(key, value)
      this.#logChanges(store, entries)
    }
    for (const task of this.#tasks) task.committed()
  }

  /** As an application on Kafka logs them: one record a row that a commit changes. */
  #logChanges(name: string, entries: StoreChange['entries']): void {
    const store = this.#topology.stores.get(name)
    if (store === undefined || store.kind === 'custom' || store.logging === false) return
    const records = this.#outputOf(changelogTopic(this.#applicationId, name))
    for (const change of entries) {
      const record = changelogRecord(store, change)
      if (record !== null) records.push({ ...record, offset: records.length, headers: noHeaders })
    }
  }

  #emit({ topic, partition, key, value, timestamp, headers }: ProducerRecord): void {
    const place = placeOf({ topic, partition })
    const offset = this.#ends.get(place) ?? 0
    this.#ends.set(place, offset + 1)
    const record: LogRecord = { offset, key, value: value instanceof Handed ? value.bytes : value, timestamp, headers }
    this.#outputOf(topic).push(record)
    for (const task of this.#readers.get(place) ?? []) {
      if (task.takesTime) this.#uncommitted.add(readerOf(task.id, { topic, partition }), record)
      task.add(topic, partition, [record])
      // Whatever lies before it in other topics: a global store takes its records as they come.
      if (this.#globalTasks.includes(task)) this.#unwrapped(() => task.process(1))
    }
  }

  #outputOf(topic: string): LogRecord[] {
    const there = this.#outputs.get(topic)
    if (there !== undefined) return there
    const records: LogRecord[] = []
    this.#outputs.set(topic, records)
    return records
  }

  #partitionsOf(topic: string): number {
    const own = this.#topology.internalTopics.get(topic)
    if (own !== undefined && own !== null) return own
    return this.#partitions[topic] ?? (own === null ? Math.max(1, ...Object.values(this.#partitions)) : 1)
  }

  #store(name: string): StateStore {
    const found = this.#stores.find(({ store }) => store.name === name)
    if (found === undefined)
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', { message: `There is no store ${name}`, next: 'Name one of the topology.' })
    return found.store
  }
}

export class TestInputTopic<K, V> {
  readonly #clock: SimulatedClock
  readonly #pipe: (record: Omit<ProducerRecord, 'topic' | 'partition'>) => Promise<void>
  readonly #name: string
  readonly #key: Serde<K>
  readonly #value: Serde<V>

  constructor(
    clock: SimulatedClock,
    pipe: (record: Omit<ProducerRecord, 'topic' | 'partition'>) => Promise<void>,
    name: string,
    key: Serde<K>,
    value: Serde<V>,
  ) {
    this.#clock = clock
    this.#pipe = pipe
    this.#name = name
    this.#key = key
    this.#value = value
  }

  /** Settles when everything that follows from it is done. Without a timestamp it is the driver's wall clock. */
  pipeInput(key: K | null, value: V | null, timestamp?: number): Promise<void>
  pipeInput(record: { key: K | null; value: V | null; timestamp?: number; headers?: readonly Header[] }): Promise<void>
  async pipeInput(first: unknown, value?: V | null, timestamp?: number): Promise<void> {
    const record =
      value === undefined
        ? (first as { key: K | null; value: V | null; timestamp?: number; headers?: readonly Header[] })
        : { key: first as K | null, value, timestamp }
    const headers = 'headers' in record && record.headers !== undefined ? record.headers : noHeaders
    await this.#pipe({
      key: record.key === null ? null : this.#key.serialize(this.#name, record.key, headers),
      value: record.value === null ? null : this.#value.serialize(this.#name, record.value, headers),
      timestamp: record.timestamp ?? this.#clock.now(),
      headers,
    })
  }
}

export class TestOutputTopic<K, V> {
  readonly #records: LogRecord[]
  readonly #name: string
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  #next = 0

  constructor(records: LogRecord[], name: string, key: Serde<K>, value: Serde<V>) {
    this.#records = records
    this.#name = name
    this.#key = key
    this.#value = value
  }

  /** WAGGLE_NO_RECORD where `isEmpty`. */
  readRecord(): Record<K | null, V | null> {
    const record = this.#records[this.#next]
    if (record === undefined) throw new WaggleError('WAGGLE_NO_RECORD', { message: `${this.#name} has no record left`, next: 'Ask isEmpty first.' })
    this.#next++
    const { key, timestamp, headers } = record
    const value = record.value as Uint8Array | null
    return {
      key: key === null ? null : this.#key.deserialize(this.#name, key, headers),
      value: value === null ? null : this.#value.deserialize(this.#name, value, headers),
      timestamp,
      headers,
    }
  }

  readRecordsToList(): Record<K | null, V | null>[] {
    const list: Record<K | null, V | null>[] = []
    while (!this.isEmpty()) list.push(this.readRecord())
    return list
  }

  isEmpty(): boolean {
    return this.#next >= this.#records.length
  }
}

const maxCachedEntries = 100_000

function readerOf(task: string, input: TopicPartition): string {
  return `${task}\n${placeOf(input)}`
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}\n${partition}`
}
