import type { AsyncWorker } from '../../topology/async-step.ts'
import { decorated } from '../../topology/decorated.ts'
import type { AsyncNode, Topology } from '../../topology/graph.ts'
import { openSerdes } from '../../topology/open-serdes.ts'
import { ownMember } from '../../topology/own-member.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { StateStore, StoreKind, StoreSpec } from '../../topology/state-store.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { internalTopics, refuseUnevenSources } from '../application/topic-plan.ts'
import { Batchers } from '../async/batchers.ts'
import { type LogRecord, type Position, type ProducerRecord, partitionName, type StoreChange, type TopicPartition } from '../ports.ts'
import { GlobalStores } from '../state/global-stores.ts'
import { type FailurePolicy, failurePolicy, StandingFailure } from '../task/failures.ts'
import type { SourceRuntime } from '../task/node-runtime.ts'
import { openTask } from '../task/open-task.ts'
import { QueueHeap } from '../task/queue-heap.ts'
import type { RecordQueue } from '../task/record-queue.ts'
import { RefusedInputs } from '../task/refused-inputs.ts'
import { CacheBudget } from '../task/table-cache.ts'
import type { Task } from '../task/task.ts'
import type { TaskSurroundings } from '../task/task-surroundings.ts'
import { OpenWorkers } from '../thread/open-workers.ts'
import { DriverRecords } from './driver-records.ts'
import { InputIdling } from './input-idling.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { Produced } from './test-output-topic.ts'

export interface TestDriverConfig extends Partial<StreamsConfig> {
  /** The start of the wall clock, in epoch ms. */
  readonly startTimeMs?: number
  /** Partition counts of input topics; 1 by default. The topology's own topics have as many partitions as its inputs. */
  readonly partitions?: { readonly [topic: string]: number }
}

/** Hooks for a test driver of a larger thing than a topology, such as a swarm. */
export interface ProgramHooks {
  /** Decides about failures, in place of the handlers of the configuration. */
  readonly failures?: FailurePolicy
  /** Called with each record at the moment when the program sends it. */
  readonly onSent?: (topic: string, record: LogRecord) => void
  /** A clock that the caller shares with other programs. */
  readonly clock?: SimulatedClock
}

/** The program of a test driver: its real tasks, on a simulated clock and disk, with a log in memory. Each record is a commit of its own. */
export class DrivenProgram {
  readonly #unresolved: Topology
  #topology: Topology
  readonly #applicationId: string
  readonly #partitions: { readonly [topic: string]: number }
  readonly #failures: FailurePolicy
  readonly #onSent: NonNullable<ProgramHooks['onSent']>
  readonly #emitIntervalMs: number
  readonly #cache: CacheBudget | null
  readonly #clock: SimulatedClock
  readonly #disk = new SimulatedDisk()
  /** Positions by task and partition, because several tasks may read one partition. */
  readonly #positions = new Map<string, Position>()
  readonly #records: DriverRecords
  readonly #topics = new Set<string>()
  #tasks: Task[] = []
  #globalTasks: Task[] = []
  /** The queues of all tasks together, as in Kafka Streams' driver. With `maxTaskIdleMs` above 0 each task has a heap of its own instead. */
  #waiting = new QueueHeap()
  #waitingOf = new Map<Task, QueueHeap>()
  readonly #idling: InputIdling
  readonly #maxTaskIdleMs: number
  #workers: OpenWorkers | null = null
  #opening: Promise<void> | null = null
  readonly #batchers: Batchers
  #globals = new GlobalStores()
  #stores: { readonly task: string; readonly store: StateStore }[] = []
  #readers = new Map<string, Task[]>()
  /** Partition counts of the topics that the topology creates for itself. */
  #ownPartitions: ReadonlyMap<string, number> = new Map()
  /** Records that wait, in order, until their serdes have fetched a resource such as a schema. */
  #preparing: Preparing[] = []

  constructor(topology: Topology, config: TestDriverConfig, { failures, onSent = () => {}, clock }: ProgramHooks = {}) {
    const { defaultKeySerde, defaultValueSerde, timestampExtractor, applicationId, partitions, startTimeMs } = config
    this.#applicationId = applicationId ?? 'test'
    this.#records = new DriverRecords(this.#applicationId)
    this.#unresolved = decorated(topology, this.#applicationId, {
      key: defaultKeySerde ?? null,
      value: defaultValueSerde ?? null,
      timestampExtractor: timestampExtractor ?? null,
    })
    this.#topology = this.#unresolved.withTopics([])
    this.#failures = failures ?? failurePolicy(config)
    this.#onSent = onSent
    this.#emitIntervalMs = config.emitIntervalMs ?? 0
    this.#cache = config.cacheMaxBytes ? new CacheBudget(config.cacheMaxBytes) : null
    this.#partitions = partitions ?? {}
    for (const [topic, count] of Object.entries(this.#partitions)) refuseCount(topic, count)
    this.#clock = clock ?? new SimulatedClock(startTimeMs ?? 0)
    this.#maxTaskIdleMs = config.maxTaskIdleMs ?? 0
    this.#idling = new InputIdling(this.#maxTaskIdleMs, () => this.#clock.now())
    this.#batchers = new Batchers({ workers: { of: (node) => this.#workerOf(node) }, clock: this.#clock, killingRecordSearch: null })
    this.open()
  }

  /** Starts to read a topic that may match the pattern of a source. */
  discover(topic: string): void {
    if (this.#topics.has(topic)) return
    this.#topics.add(topic)
    const topology = this.#unresolved.withTopics([...this.#topics])
    if (topology === this.#topology) return
    this.#topology = topology
    const before = this.#ownPartitions
    const subtopologies = this.#plan()
    // More partitions of the program's own topics mean more tasks that read them.
    if (before.size > 0 && [...this.#ownPartitions].some(([own, count]) => before.get(own) !== count)) this.open()
    else for (const subtopology of subtopologies) if (subtopology.sources.includes(topic)) this.#readIn(subtopology, topic)
  }

  /** Adds a topic to the tasks of a sub-topology. The processors and stores of these tasks stay. A partition without a task gets a new task. */
  #readIn(subtopology: Subtopology, topic: string): void {
    const source = subtopology.nodes.find((node) => node.kind === 'source' && node.topics.includes(topic))
    for (let partition = 0; partition < this.#partitionsOf(topic); partition++) {
      const task = this.#tasks.find(({ id }) => id === `${subtopology.id}_${partition}`)
      const input = { topic, partition, position: null }
      if (task === undefined) this.#openTask(subtopology, partition, [input])
      else if (source?.kind === 'source') {
        task.read(source, input)
        this.#readers.set(partitionName(input), [...(this.#readers.get(partitionName(input)) ?? []), task])
      }
    }
  }

  open(): void {
    this.#batchers.closeAll()
    this.#tasks = []
    this.#globalTasks = []
    this.#waiting = new QueueHeap()
    this.#waitingOf = new Map()
    this.#preparing = []
    this.#stores = []
    this.#readers = new Map()
    this.#globals = new GlobalStores()
    const subtopologies = this.#plan()
    for (const subtopology of [...subtopologies.filter(({ isGlobal }) => isGlobal), ...subtopologies.filter(({ isGlobal }) => !isGlobal)]) {
      const count = Math.max(...subtopology.sources.map((topic) => this.#partitionsOf(topic)))
      const groups = Array.from({ length: count }, (_, partition) =>
        subtopology.sources.filter((topic) => partition < this.#partitionsOf(topic)).map((topic) => ({ topic, partition })),
      )
      for (const [partition, read] of (subtopology.isGlobal ? [groups.flat()] : groups).entries()) this.#openTask(subtopology, partition, read)
    }
  }

  now(): number {
    return this.#clock.now()
  }

  get stores(): Topology['stores'] {
    return this.#topology.stores
  }

  get outputs(): ReadonlyMap<string, Produced> {
    return this.#records.outputs
  }

  outputOf(topic: string): Produced {
    return this.#records.outputOf(topic)
  }

  async advance(ms: number): Promise<void> {
    // Records that were piped without an await are processed first, which needs open workers.
    await this.#opened()
    await this.#clock.settle()
    const calls = this.#batchers.calls
    await this.#clock.advance(ms)
    for (const task of this.#tasks) this.#unwrapped(() => task.punctuate(this.#clock.now()))
    this.#commit()
    await this.#settle(calls)
  }

  /** Kills all tasks, and opens them again from their last commit. */
  async crash(): Promise<void> {
    this.open()
    await this.#settle()
  }

  async close(): Promise<void> {
    for (const task of this.#tasks) task.close()
    this.#batchers.closeAll()
    await this.#workers?.close()
  }

  /** Returns the sub-topologies, and sets the number of partitions of the program's own topics. */
  #plan(): readonly Subtopology[] {
    const subtopologies = this.#topology.subtopologies()
    const own = internalTopics(this.#topology, subtopologies, (topic) => ownMember(this.#partitions, topic) ?? 1)
    this.#ownPartitions = new Map(own.map(({ name, partitions }) => [name, partitions]))
    refuseUnevenSources(subtopologies, (topic) => this.#partitionsOf(topic))
    return subtopologies
  }

  #openTask(subtopology: Subtopology, partition: number, read: readonly TopicPartition[]): void {
    const id = `${subtopology.id}_${partition}`
    const inputs = read.map((input) => ({ ...input, position: this.#positions.get(readerOf(id, input)) ?? null }))
    const waiting = subtopology.isGlobal || this.#maxTaskIdleMs > 0 ? new QueueHeap() : this.#waiting
    const { task, stateName, stores } = openTask(
      {
        id,
        applicationId: this.#applicationId,
        topology: this.#topology,
        subtopology,
        partition,
        inputs,
        bytesOf: (name, store) => this.#disk.store(name, store),
        globals: this.#globals,
        maxCachedEntries,
        keepsLog: true,
        waiting,
      },
      this.#surroundings,
    )
    for (const { store } of stores.values()) this.#stores.push({ task: stateName, store })
    this.#tasks.push(task)
    if (subtopology.isGlobal) this.#globalTasks.push(task)
    else this.#waitingOf.set(task, waiting)
    for (const input of inputs) {
      this.#readers.set(partitionName(input), [...(this.#readers.get(partitionName(input)) ?? []), task])
      this.#redeliver(task, input)
    }
  }

  get #surroundings(): TaskSurroundings {
    return {
      applicationId: this.#applicationId,
      clock: this.#clock,
      handsOn: false,
      failures: this.#failures,
      refused: new RefusedInputs(),
      emitIntervalMs: this.#emitIntervalMs,
      cache: this.#cache,
      maxNoteBytes: Number.POSITIVE_INFINITY,
      partitionsOf: (topic) => this.#partitionsOf(topic),
      emit: (record) => this.#emit(record),
      batcher: (node, task) => this.#batchers.of(node, task),
      waitingShare: (node, task) => this.#batchers.waitingShare(node, task),
      requestCommit() {},
      wake() {},
    }
  }

  /** Delivers again the records that were read, but not committed, when the tasks were killed. */
  #redeliver(task: Task, { topic, partition, position }: TopicPartition & { readonly position: Position | null }): void {
    const records = this.#records.from({ topic, partition }, position?.offset ?? 0)
    for (const record of records) this.#deliver(task, { topic, partition }, record)
  }

  async pipe(record: Omit<ProducerRecord, 'partition'>): Promise<void> {
    await this.#opened()
    this.#refuseUnread(record.topic)
    const partitions = this.#partitionsOf(record.topic)
    const piped = { ...record, partition: record.key === null ? 0 : partitionForKey(record.key, partitions) }
    this.#handOut(piped, this.#records.append(piped))
    await this.#settle()
  }

  #refuseUnread(topic: string): void {
    if (this.#readers.has(partitionName({ topic, partition: 0 }))) return
    const read = this.#topology.subtopologies().flatMap(({ sources }) => sources)
    throw new WaggleError('WAGGLE_MISSING_TOPIC', {
      message: `The program does not read the topic ${topic}`,
      next: `Pipe records into a topic that the program reads: ${[...new Set(read)].sort().join(', ')}.`,
    })
  }

  /** Settles when nothing more can happen while the clock stands still. Does not wait for the last `callsLeft` calls, which may need time to pass. */
  async #settle(callsLeft = 0): Promise<void> {
    await this.#opened()
    this.#commit()
    await this.#prepare()
    this.#processAll()
    await this.#prepare()
    while (this.#tasks.some((task) => task.inFlight > 0)) {
      await this.#clock.settle()
      const drained = this.#tasks.filter((task) => this.#unwrapped(() => task.drain() > 0)).length > 0
      this.#commit()
      this.#processAll()
      await this.#prepare()
      if (!drained && this.#batchers.calls <= callsLeft) return
    }
  }

  #opened(): Promise<void> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  async #open(): Promise<void> {
    await openSerdes(this.#topology, this.#applicationId)
    this.#workers = await OpenWorkers.open(this.#topology.nodes.values())
  }

  /** Prepares records one after the other. Runs everything that a record causes before the next record is prepared. */
  async #prepare(): Promise<void> {
    for (let next = this.#preparing[0]; next !== undefined; next = this.#preparing[0]) {
      const { task, source, record, promise } = next
      this.#preparing.shift()
      await promise.catch((reason: unknown) => {
        if (reason instanceof Unavailable) throw reason
        source.refuse(record, reason)
      })
      this.#give(next)
      if (!this.#globalTasks.includes(task)) this.#processAll()
    }
  }

  #give({ task, topic, partition, record }: Pick<Preparing, 'task' | 'topic' | 'partition' | 'record'>): void {
    task.add(topic, partition, [record])
    this.#unwrapped(() => task.advance())
    // A global store takes each record as soon as it comes, even if older records wait in other topics.
    if (this.#globalTasks.includes(task)) this.#unwrapped(() => task.process(1))
  }

  #workerOf(node: AsyncNode): AsyncWorker<unknown, unknown, unknown, unknown> {
    if (this.#workers === null) throw new WaggleError('WAGGLE_INTERNAL', { message: `${node.name} is not open`, next: 'Report this as a bug.' })
    return this.#workers.of(node)
  }

  /** Runs `act`. If it throws a `StandingFailure`, throws the cause of that failure instead. */
  #unwrapped<T>(act: () => T): T {
    try {
      return act()
    } catch (thrown) {
      throw thrown instanceof StandingFailure ? thrown.cause : thrown
    }
  }

  /** Processes the oldest record of all tasks first, as one task of Kafka Streams chooses among its inputs. Skips tasks that wait for an input. */
  #processAll(): void {
    for (;;) {
      const queue = this.#maxTaskIdleMs > 0 ? this.#oldestReady() : this.#waiting.least
      if (queue === undefined) return
      this.#unwrapped(() => this.#tasks.some((task) => task.processFirst(queue)))
      this.#commit()
    }
  }

  #oldestReady(): RecordQueue | undefined {
    const ready = [...this.#waitingOf].flatMap(([task, { least }]) => (this.#idling.mayProcess(task) && least !== undefined ? [least] : []))
    const timeOf = ({ head }: RecordQueue) => head?.record.timestamp ?? 0
    return ready.reduce<RecordQueue | undefined>(
      (oldest, queue) => (oldest === undefined || timeOf(queue) < timeOf(oldest) ? queue : oldest),
      undefined,
    )
  }

  #commit(): void {
    const state: StoreChange[] = []
    for (const task of this.#tasks) {
      task.flush()
      const taken = task.takeCommit()
      state.push(...taken.state)
      for (const position of taken.positions) this.#positions.set(readerOf(task.id, position), position)
    }
    for (const { task, store, entries, logged } of state) {
      const rows = this.#disk.store(task, store)
      for (const [key, value] of entries) rows.change(key, value)
      if (logged !== null) this.#records.appendChanges(store, logged())
    }
    for (const task of this.#tasks) task.committed()
  }

  /** Takes a record that a task sends. Readers can read the record at once. */
  #emit(produced: ProducerRecord): void {
    const record = this.#records.append(produced)
    this.#records.outputOf(produced.topic).records.push(record)
    this.#onSent(produced.topic, record)
    this.#handOut(produced, record)
  }

  #handOut({ topic, partition }: TopicPartition, record: LogRecord): void {
    for (const task of this.#readers.get(partitionName({ topic, partition })) ?? []) this.#deliver(task, { topic, partition }, record)
  }

  #deliver(task: Task, { topic, partition }: TopicPartition, record: LogRecord): void {
    const source = task.preparingSource(topic, partition)
    const promise = source?.preparation(topic, record) ?? null
    const isBehind = this.#preparing.some((other) => other.task === task && other.topic === topic && other.partition === partition)
    if (source !== null && (promise !== null || isBehind)) {
      promise?.catch(() => {})
      this.#preparing.push({ task, source, topic, partition, record, promise: promise ?? Promise.resolve() })
    } else this.#give({ task, topic, partition, record })
  }

  #partitionsOf(topic: string): number {
    return this.#ownPartitions.get(topic) ?? ownMember(this.#partitions, topic) ?? 1
  }

  storesOf(name: string, kind: StoreKind): readonly [StoreSpec, readonly StateStore[]] {
    const spec = this.#topology.stores.get(name)
    if (spec?.kind === kind || spec?.kind === 'custom')
      return [spec, this.#stores.filter(({ store }) => store.name === name).map(({ store }) => store)]
    const there = [...this.#topology.stores.values()].filter((store) => store.kind === kind).map((store) => store.name)
    throw new WaggleError('WAGGLE_STORE_UNKNOWN', {
      message: spec === undefined ? `There is no store ${String(name)}` : `The store ${name} is not a ${kind} store (${spec.kind})`,
      next: there.length === 0 ? 'The topology has none of this kind.' : `Name one of: ${there.join(', ')}.`,
    })
  }
}

interface Preparing extends TopicPartition {
  readonly task: Task
  readonly source: SourceRuntime
  readonly record: LogRecord
  readonly promise: Promise<unknown>
}

function refuseCount(topic: string, count: number): void {
  if (Number.isInteger(count) && count > 0) return
  throw new WaggleError('WAGGLE_INVALID_CONFIG', {
    message: `${topic} cannot have ${count} partitions`,
    next: 'Give the topic at least one partition.',
  })
}

const maxCachedEntries = 100_000

function readerOf(task: string, input: TopicPartition): string {
  return `${task}\n${partitionName(input)}`
}
