import type { SourceNode } from '../../topology/graph.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { StateStore } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { TaskMeters } from '../metrics/task-meters.ts'
import type { Clock, LogRecord, Position, StoreChange, TopicPartition } from '../ports.ts'
import type { TaskMemory } from '../state/task-memory.ts'
import type { TaskStore } from '../state/task-store.ts'
import type { CommittedSize } from '../state/write-back-store.ts'
import type { AsyncRuntime } from './async-runtime.ts'
import { CurrentRecord } from './current-record.ts'
import { TaskFailures } from './failures.ts'
import type { SourceRuntime } from './node-runtime.ts'
import { refuseOversizedNote } from './position-note.ts'
import { Punctuations } from './punctuations.ts'
import { QueueHeap } from './queue-heap.ts'
import type { RecordQueue } from './record-queue.ts'
import type { InputId, RefusedInput } from './refused-inputs.ts'
import { TableCache } from './table-cache.ts'
import { type TaskInput, TaskInputs } from './task-inputs.ts'
import { TaskNodes } from './task-nodes.ts'
import { TaskPositions } from './task-positions.ts'
import type { TaskSurroundings } from './task-surroundings.ts'
import type { TaskView } from './task-view.ts'

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

/** One sub-topology for one partition number. The task owns its stores, its buffer and its commit positions. */
export class Task implements TaskView {
  readonly id: string
  readonly applicationId: string
  readonly clock: Clock
  readonly punctuations: Punctuations
  readonly failures: TaskFailures
  readonly meters: TaskMeters
  readonly memory: TaskMemory
  readonly #inputs: TaskInputs
  readonly #options: TaskOptions
  readonly #surroundings: TaskSurroundings
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
    this.memory = options.memory
    this.meters = options.meters ?? new TaskMeters(options.id, { time: { now: surroundings.clock.now() }, thread: '', punctuate: null, lastPass: 0 })
    this.meters.buffered = () => this.bufferedRecords
    this.#options = options
    this.#surroundings = surroundings
    // `TaskInputs` fills this list. The current record and the positions look up queues in it.
    const queues: RecordQueue[] = []
    this.#current = new CurrentRecord(options.partition, queues)
    this.#positions = new TaskPositions(queues, options.memory, surroundings.maxNoteBytes)
    this.#makeCaches()
    this.failures = new TaskFailures(options.id, this.#current, surroundings, this.meters)
    this.#inputs = new TaskInputs({
      queues,
      current: this.#current,
      positions: this.#positions,
      failures: this.failures,
      meters: this.meters,
      waiting: options.waiting ?? new QueueHeap(),
    })
    this.streamTime = this.#inputs.open(options.subtopology, options.inputs)
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
    this.#inputs.connect(this.#nodes)
    this.#positions.keepNumbers()
    refuseOversizedNote(options.id, { needed: this.memory.needed, nodes: this.#async.length, maxBytes: surroundings.maxNoteBytes })
  }

  get inputs(): readonly TopicPartition[] {
    return this.#inputs.partitions
  }

  get metadata(): RecordMetadata | null {
    return this.#current.metadata
  }

  get isReplay(): boolean {
    return this.#current.isReplay
  }

  get bufferedRecords(): number {
    return this.#inputs.records
  }

  get bufferedBytes(): number {
    return this.#inputs.bytes
  }

  get isAsync(): boolean {
    return this.#async.length > 0
  }

  watch(watcher: TaskWatcher): void {
    this.#watcher = watcher
  }

  /** True if the task has records, outcomes that may be forwarded, or a due schedule. */
  hasWork(now: number): boolean {
    if (this.punctuations.nextWallClock <= now || this.#inputs.hasRecords) return true
    for (const node of this.#async) if (node.hasOutcomes) return true
    return false
  }

  /** The number of records that wait in asynchronous nodes. */
  get inFlight(): number {
    let size = 0
    for (const node of this.#async) size += node.size
    return size
  }

  /** True if some processed record, or the work of a punctuation, is in no commit yet. */
  get hasUncommitted(): boolean {
    return this.#positions.hasUncommitted
  }

  /** A store of this task; null if the task has no store of this name. */
  store(name: string): StateStore | null {
    return this.#options.stores.get(name)?.store ?? null
  }

  /** The bytes of a store's rows as of the last commit, of at most `mostRows` rows; null if the task has no store of this name. */
  committedSize(store: string, mostRows: number): CommittedSize | null {
    return this.#options.stores.get(store)?.rows.committedSize(mostRows) ?? null
  }

  get partition(): number {
    return this.#options.partition
  }

  /** The committed offset of an input; -1 without one. */
  committedOf(topic: string, partition: number): number {
    const queue = this.#inputs.queueOf(topic, partition)
    return queue === undefined ? -1 : this.#positions.committedOf(queue)
  }

  /** The next offset of an input to process; -1 if no record has been processed. */
  positionOf(topic: string, partition: number): number {
    const queue = this.#inputs.queueOf(topic, partition)
    return queue === undefined ? -1 : this.#positions.consumedOf(queue)
  }

  add(topic: string, partition: number, records: readonly LogRecord[]): void {
    const queue = this.#inputs.queueOf(topic, partition)
    if (queue === undefined) return
    this.#inputs.add(queue, records)
    this.#watcher?.activated(this)
  }

  /** The source that must prepare the records of this partition before they are added; null if the records need no preparation. */
  preparingSource(topic: string, partition: number): SourceRuntime | null {
    const source = this.#inputs.sourceOf(this.#inputs.queueOf(topic, partition))
    return source?.prepares ? source : null
  }

  /** Decodes the first record of each queue that was empty. Throws if a record cannot be read and its handler does not skip it. */
  advance(): void {
    this.#inputs.advance()
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

  /** Inputs without buffered records, if other inputs have some. Their next record may be older than all buffered records (KIP-695). */
  get emptyInputs(): readonly TopicPartition[] {
    return this.#inputs.empty
  }

  /** Inputs with buffered records. */
  get fullInputs(): readonly TopicPartition[] {
    return this.#inputs.full
  }

  /**
   * Processes up to `limit` records without yielding, and returns their number. If the number is lower than `limit`, the task has no more records, or
   * must wait.
   */
  process(limit: number): number {
    this.advance()
    let done = 0
    while (done < limit) {
      const queue = this.#inputs.first
      if (queue === undefined || (this.#isBlocked() && !(queue.head !== null && queue.isReplay(queue.head.read)))) break
      this.#processFrom(queue)
      done++
    }
    if (done > 0) this.#passed(done)
    return done
  }

  #passed(records: number): void {
    this.meters.process.record(records)
    this.#inputs.countTaken()
  }

  /** Processes the next record of a queue whose head comes before all other heads. */
  processFirst(queue: RecordQueue): boolean {
    if (!this.#inputs.has(queue)) return false
    this.#processFrom(queue)
    return true
  }

  /** Forwards up to `limit` outcomes of asynchronous nodes, and returns their number. */
  drain(limit = Number.POSITIVE_INFINITY): number {
    let drained = 0
    for (const node of this.#async) drained += node.drain(this.#positions.mayGo, limit - drained)
    if (drained > 0) for (const node of this.#async) node.release()
    return drained
  }

  /** The last processed input record; null if there is none. */
  get lastInput(): InputId | null {
    const queue = this.#inputs.at(this.#current.lastIndex)
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

  /** The content of a commit that is made now, after `flush`. `committed` must be called when that commit has succeeded. */
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
    const head = this.#inputs.take(queue)
    const source = this.#inputs.sourceOf(queue)
    if (head === null || source === undefined) return
    const { read, record } = head
    const { timestamp } = record
    const isReplay = queue.isReplay(read)
    this.#current.enter(queue.index, read, isReplay)
    const lateMs = this.streamTime - timestamp
    if (lateMs < 0 && !isReplay) this.streamTime = timestamp
    this.meters.lateness.record(Math.max(0, lateMs))
    source.measureAge(timestamp, this.meters)
    const refused = this.#surroundings.refused.find(this.id, queue, read.offset)
    if (refused === null) source.process(record)
    else this.#setAside(source, record, refused)
    this.#positions.consume(queue, read.offset)
    this.#current.leave()
    if (this.streamTime >= this.punctuations.nextStreamTime) this.#timed(() => this.punctuations.punctuateStreamTime(this.streamTime))
  }

  /** Handles a record whose results cannot be committed. If the failure handler skips the record, its replacement is processed instead. */
  #setAside(source: SourceRuntime, record: Record<unknown, unknown>, { error, times }: RefusedInput): void {
    const input = this.lastInput
    try {
      const replacement = this.failures.refused(source.name, error, record, times)
      if (replacement !== null) source.process(replacement)
    } catch (thrown) {
      // The record's refusal is forgotten after a standing failure, so that the record is tried again. The log may accept the record then.
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

  #isBlocked(): boolean {
    for (const node of this.#async) if (node.isFull) return true
    return false
  }

  /** Adds a partition for a source node to read. A test driver needs this method, because it finds topics of a pattern while its tasks run. */
  read(source: SourceNode, input: TaskInput): void {
    this.streamTime = Math.max(this.streamTime, this.#inputs.openOne(source, input, this.#nodes))
  }

  #storesOf(node: string): ReadonlyMap<string, StateStore> {
    const { stores, usersOf, globals } = this.#options
    const own = [...stores].flatMap(([name, { store }]) => (usersOf(name).has(node) ? [[name, store] as const] : []))
    return new Map([...globals, ...own])
  }
}
