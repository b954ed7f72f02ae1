import type { SourceNode } from '../../topology/graph.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { StateStore } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { TaskMeters } from '../metrics/task-meters.ts'
import { type Clock, Handed, type LogRecord, type Position, type StoreChange, type TopicPartition } from '../ports.ts'
import type { TaskMemory } from '../state/task-memory.ts'
import type { TaskStore } from '../state/task-store.ts'
import type { AsyncRuntime } from './async-runtime.ts'
import { CurrentRecord } from './current-record.ts'
import { TaskFailures } from './failures.ts'
import type { SourceRuntime } from './node-runtime.ts'
import { refuseWhatCannotFit } from './position-note.ts'
import { Punctuations } from './punctuations.ts'
import { QueueHeap } from './queue-heap.ts'
import { RecordQueue } from './record-queue.ts'
import type { InputId, RefusedInput } from './refused-inputs.ts'
import { TableCache } from './table-cache.ts'
import { TaskNodes } from './task-nodes.ts'
import { TaskPositions } from './task-positions.ts'
import type { TaskState, TaskSurroundings } from './task-state.ts'

/** A partition that a task reads, with its position in the last commit. */
type TaskInput = TopicPartition & { readonly position: Position | null }

export interface TaskOptions {
  readonly id: string
  readonly subtopology: Subtopology
  readonly partition: number
  readonly inputs: readonly TaskInput[]
  /** Stores of the sub-topology, opened for this task. */
  readonly stores: ReadonlyMap<string, TaskStore>
  readonly usersOf: (store: string) => ReadonlySet<string>
  /** Global stores, which every task may read. */
  readonly globals: ReadonlyMap<string, StateStore>
  /** The name under which the log keeps this task's state. */
  readonly stateName: string
  readonly meters?: TaskMeters
  /** Numbers that the task shares with its stores. */
  readonly memory: TaskMemory
  /** A heap that tasks share if they choose their next record together, as in a test driver. */
  readonly waiting?: QueueHeap
}

/** A task calls its watcher when it gets something to do. */
export interface TaskWatcher {
  /** The task got records, or an outcome of an asynchronous node. */
  activated(task: Task): void
  /** The time of the task's next wall-clock schedule has changed. */
  scheduled(task: Task): void
}

const noInputs: readonly TopicPartition[] = []

/** One sub-topology for one partition number. It owns its stores, its buffer and its commit positions. */
export class Task implements TaskState {
  readonly id: string
  readonly applicationId: string
  readonly clock: Clock
  readonly punctuations: Punctuations
  readonly failures: TaskFailures
  readonly meters: TaskMeters
  readonly memory: TaskMemory
  readonly #inputs: TopicPartition[]
  readonly #options: TaskOptions
  readonly #surroundings: TaskSurroundings
  readonly #queues: RecordQueue[] = []
  readonly #waiting: QueueHeap
  /** Queues whose first record is not decoded yet. */
  readonly #fresh: RecordQueue[] = []
  readonly #sources: SourceRuntime[]
  readonly #current: CurrentRecord
  readonly #nodes: TaskNodes
  readonly #async: readonly AsyncRuntime[]
  readonly #shared = new Map<object, unknown>()
  /** Caches by store, in flush order: a table comes before the tables made from it. */
  readonly #caches = new Map<string, TableCache>()
  readonly #positions: TaskPositions
  #watcher: TaskWatcher | null = null
  streamTime = -1

  constructor(options: TaskOptions, surroundings: TaskSurroundings) {
    this.id = options.id
    this.applicationId = surroundings.applicationId
    this.clock = surroundings.clock
    this.punctuations = new Punctuations(surroundings.clock, () => this.#watcher?.scheduled(this))
    this.#inputs = [...options.inputs]
    this.memory = options.memory
    this.meters = options.meters ?? new TaskMeters(options.id, { time: { now: surroundings.clock.now() }, thread: '', punctuate: null, lastTurn: 0 })
    this.meters.buffered = () => this.bufferedRecords
    this.#options = options
    this.#waiting = options.waiting ?? new QueueHeap()
    this.#surroundings = surroundings
    this.#current = new CurrentRecord(options.partition, this.#queues)
    this.#positions = new TaskPositions(this.#queues, options.memory, surroundings.maxNoteBytes)
    this.#makeCaches()
    this.failures = new TaskFailures(options.id, this.#current, surroundings, this.meters)
    this.#open()
    this.#nodes = new TaskNodes({
      subtopology: options.subtopology,
      task: this,
      surroundings,
      current: this.#current,
      aheads: this.#positions.aheads,
      storesOf: (node) => this.#storesOf(node),
      onOutcome: () => this.#watcher?.activated(this),
    })
    this.#async = this.#nodes.async
    this.#sources = this.#queues.flatMap(({ source }) => this.#nodes.source(source.name) ?? [])
    this.#positions.keepNumbers()
    refuseWhatCannotFit(options.id, { needed: this.memory.needed, nodes: this.#async.length, maxBytes: surroundings.maxNoteBytes })
  }

  get inputs(): readonly TopicPartition[] {
    return this.#inputs
  }

  get metadata(): RecordMetadata | null {
    return this.#current.metadata
  }

  get isReplay(): boolean {
    return this.#current.isReplay
  }

  get bufferedRecords(): number {
    let size = 0
    for (const queue of this.#queues) size += queue.size
    return size
  }

  get bufferedBytes(): number {
    let bytes = 0
    for (const queue of this.#queues) bytes += queue.bytes
    return bytes
  }

  get isAsync(): boolean {
    return this.#async.length > 0
  }

  watch(watcher: TaskWatcher): void {
    this.#watcher = watcher
  }

  /** True if the task has records, outcomes that may be forwarded, or a due schedule. */
  hasWork(now: number): boolean {
    if (this.punctuations.nextWallClock <= now) return true
    for (const queue of this.#queues) if (queue.size > 0) return true
    for (const node of this.#async) if (node.hasOutcomes) return true
    return false
  }

  /** The number of records that wait in asynchronous nodes. */
  get inFlight(): number {
    let size = 0
    for (const node of this.#async) size += node.size
    return size
  }

  /** True if some processed record is in no commit yet. */
  get hasUncommitted(): boolean {
    return this.#positions.hasUncommitted
  }

  /** A store of this task; null if there is none of this name. */
  store(name: string): StateStore | null {
    return this.#options.stores.get(name)?.store ?? null
  }

  get partition(): number {
    return this.#options.partition
  }

  /** The committed offset of an input; -1 without one. */
  committedOf(topic: string, partition: number): number {
    const queue = this.#queueOf(topic, partition)
    return queue === undefined ? -1 : this.#positions.committedOf(queue)
  }

  /** The next offset to process of an input; -1 if none has been processed. */
  positionOf(topic: string, partition: number): number {
    const queue = this.#queueOf(topic, partition)
    return queue === undefined ? -1 : this.#positions.consumedOf(queue)
  }

  add(topic: string, partition: number, records: readonly LogRecord[]): void {
    const queue = this.#queueOf(topic, partition)
    if (queue === undefined) return
    queue.add(records)
    if (queue.head === null && !this.#fresh.includes(queue)) this.#fresh.push(queue)
    this.#watcher?.activated(this)
  }

  /** The source that must prepare the records of this partition before they are added; null if none need it. */
  preparingSource(topic: string, partition: number): SourceRuntime | null {
    const source = this.#sources[this.#queueOf(topic, partition)?.index ?? -1]
    return source?.prepares ? source : null
  }

  /** Decodes the first record of each queue that was empty. Throws if a record cannot be read and its handler does not skip it. */
  advance(): void {
    for (let queue = this.#fresh.shift(); queue !== undefined; queue = this.#fresh.shift()) this.#advance(queue)
  }

  get emitIntervalMs(): number {
    return this.#surroundings.emitIntervalMs
  }

  inContextOf(metadata: RecordMetadata, act: () => void): void {
    const before = this.#current.shown
    this.#current.shown = metadata
    try {
      act()
    } finally {
      this.#current.shown = before
    }
  }

  requestCommit(): void {
    this.#surroundings.requestCommit()
  }

  /** Inputs without buffered records while others have some. Then the oldest record is not known (KIP-695). */
  get emptyInputs(): readonly TopicPartition[] {
    if (this.#waiting.first === undefined || this.#queues.length < 2) return noInputs
    return this.#queues.every(({ size }) => size > 0) ? noInputs : this.#queues.filter(({ size }) => size === 0)
  }

  /** Inputs with buffered records. */
  get fullInputs(): readonly TopicPartition[] {
    return this.#queues.filter(({ size }) => size > 0)
  }

  /** Processes up to `limit` records without yielding, and returns their number. If it is lower, the task has no more records, or must wait. */
  process(limit: number): number {
    this.advance()
    let done = 0
    while (done < limit) {
      const queue = this.#waiting.first
      if (queue === undefined || (this.#isBlocked() && !(queue.head !== null && queue.isReplay(queue.head.read)))) break
      this.#processFrom(queue)
      done++
    }
    if (done > 0) this.#passed(done)
    return done
  }

  #passed(records: number): void {
    this.meters.process.record(records)
    for (const queue of this.#queues) {
      const taken = queue.newlyTaken()
      if (taken > 0) this.#sources[queue.index]?.read.record(taken)
    }
  }

  /** Processes the next record of a queue whose head comes before all other heads. */
  processFirst(queue: RecordQueue): boolean {
    if (this.#queues[queue.index] !== queue) return false
    this.#processFrom(queue)
    return true
  }

  /** Forwards up to `limit` outcomes of asynchronous nodes, and returns their number. */
  drain(limit = Number.POSITIVE_INFINITY): number {
    let drained = 0
    for (const node of this.#async) drained += node.drain(this.#positions.mayGo, limit - drained)
    return drained
  }

  /** The last processed input record; null if there is none. */
  get lastInput(): InputId | null {
    const queue = this.#queues[this.#current.lastIndex]
    return queue === undefined ? null : { taskId: this.id, topic: queue.topic, partition: queue.partition, offset: this.#current.lastOffset }
  }

  punctuate(now: number): boolean {
    this.#current.leave()
    if (now < this.punctuations.nextWallClock) return false
    return this.#timed(() => this.punctuations.punctuateWallClock(now))
  }

  /** Forwards the updates of tables that waited for the commit. */
  flush(): void {
    for (const cache of this.#caches.values()) cache.flush()
  }

  /** The content of a commit that is made now, after `flush`. When that commit has succeeded, `committed` must be called. */
  takeCommit(): { readonly positions: readonly (TopicPartition & Position)[]; readonly state: readonly StoreChange[] } {
    const state: StoreChange[] = []
    for (const [name, { rows, logged }] of this.#options.stores) {
      const entries = rows.takeChanges()
      if (entries.length > 0) state.push({ task: this.#options.stateName, store: name, entries, logged: logged && (() => logged(entries)) })
    }
    return { positions: this.#positions.take(this.#async, this.streamTime), state }
  }

  committed(): void {
    for (const { rows } of this.#options.stores.values()) rows.committed()
  }

  close(): void {
    this.#watcher = null
    for (const cache of this.#caches.values()) cache.discard()
    this.#nodes.close()
  }

  tableCache(store: string): TableCache | null {
    return this.#caches.get(store) ?? null
  }

  #makeCaches(): void {
    const { cache } = this.#surroundings
    if (cache === null) return
    for (const store of this.#options.subtopology.stores) {
      if (store.kind !== 'custom' && store.cached) this.#caches.set(store.name, new TableCache(store, cache, this.#current))
    }
  }

  shared<T>(owner: object, make: () => T): T {
    const there = this.#shared.get(owner)
    if (there !== undefined) return there as T
    const made = make()
    this.#shared.set(owner, made)
    return made
  }

  #processFrom(queue: RecordQueue): void {
    this.#waiting.poll()
    const head = queue.take()
    const source = this.#sources[queue.index]
    if (head === null || source === undefined) return
    // The next record is decoded before this one is processed. Records that this one sends to the task's own topics come after it.
    this.#advance(queue)
    const { read, record } = head
    const { timestamp } = record
    const isReplay = queue.isReplay(read)
    this.#current.enter(queue.index, read, isReplay)
    const lateMs = this.streamTime - timestamp
    if (lateMs < 0 && !isReplay) this.streamTime = timestamp
    this.meters.lateness.record(Math.max(0, lateMs))
    source.meet(timestamp, this.meters)
    const refused = this.#surroundings.refused.find(this.id, queue, read.offset)
    if (refused === null) source.process(record)
    else this.#setAside(source, record, refused)
    this.#positions.consume(queue, read.offset)
    this.#current.leave()
    if (this.streamTime >= this.punctuations.nextStreamTime) this.#timed(() => this.punctuations.punctuateStreamTime(this.streamTime))
  }

  /** Handles a record whose results cannot be committed. If its handler skips it, its replacement is processed instead. */
  #setAside(source: SourceRuntime, record: Record<unknown, unknown>, { error, times }: RefusedInput): void {
    const input = this.lastInput
    try {
      const replacement = this.failures.refused(source.name, error, record, times)
      if (replacement !== null) source.process(replacement)
    } catch (thrown) {
      // A standing failure forgets the refusal, so that the record is tried again. The log may accept it then.
      if (input !== null) this.#surroundings.refused.forget(input)
      throw thrown
    }
  }

  #timed(punctuate: () => boolean): boolean {
    const start = this.clock.elapsedMs()
    const fired = punctuate()
    if (!fired) return false
    this.#positions.punctuated()
    this.meters.punctuated(this.clock.elapsedMs() - start)
    return true
  }

  /** Decodes the next record of a queue, and puts the queue in its place in the order. */
  #advance(queue: RecordQueue): void {
    const source = this.#sources[queue.index]
    if (source === undefined) return
    if (queue.advance((record) => this.#decode(source, queue, record))) this.#waiting.offer(queue)
  }

  /** Decodes a record; null if it is skipped, or cannot be read and is dropped. */
  #decode(source: SourceRuntime, queue: RecordQueue, record: LogRecord): Record<unknown, unknown> | null {
    try {
      const decoded = source.decode(queue, record)
      if (decoded !== null) return decoded
      this.meters.dropped.record(1)
    } catch (thrown) {
      const { key, value, timestamp, headers } = record
      this.#current.enter(queue.index, record, queue.isReplay(record))
      const failed = { key, value: value instanceof Handed ? value.value : value, timestamp, headers }
      const replacement = this.failures.handle('deserialization', source.name, thrown, failed)
      this.#current.leave()
      if (replacement !== null) return replacement
    }
    this.#positions.consume(queue, record.offset)
    return null
  }

  #isBlocked(): boolean {
    for (const node of this.#async) if (node.isFull) return true
    return false
  }

  /** Reads one more partition by its source node, because a test driver finds topics of a pattern while its tasks run. */
  read(source: SourceNode, input: TaskInput): void {
    this.#openQueue(source, input)
    const runtime = this.#nodes.source(source.name)
    if (runtime !== null) this.#sources.push(runtime)
    this.#inputs.push(input)
  }

  /** Opens the queues of the inputs, each at its position in the last commit. */
  #open(): void {
    const { subtopology, inputs } = this.#options
    for (const input of inputs) {
      const source = subtopology.nodes.find((node): node is SourceNode => node.kind === 'source' && node.topics.includes(input.topic))
      if (source !== undefined) this.#openQueue(source, input)
    }
  }

  #openQueue(source: SourceNode, input: TaskInput): void {
    const consumed = this.meters.node(source.name).traffic(input.topic, 'consumed')
    const queue = new RecordQueue(this.#queues.length, source, input.topic, input.partition, consumed)
    this.#queues.push(queue)
    this.streamTime = Math.max(this.streamTime, this.#positions.open(queue, input.position))
  }

  #queueOf(topic: string, partition: number): RecordQueue | undefined {
    return this.#queues.find((one) => one.topic === topic && one.partition === partition)
  }

  #storesOf(node: string): ReadonlyMap<string, StateStore> {
    const { stores, usersOf, globals } = this.#options
    const own = [...stores].flatMap(([name, { store }]) => (usersOf(name).has(node) ? [[name, store] as const] : []))
    return new Map([...globals, ...own])
  }
}
