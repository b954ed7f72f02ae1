import type { GraphNode, SourceNode } from '../../topology/graph.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { StateStore } from '../../topology/state-store.ts'
import { parentsOf, type Subtopology } from '../../topology/subtopology.ts'
import type { Ahead } from '../async/unfinished.ts'
import { TaskMeters } from '../metrics/task-meters.ts'
import { type OperatorProcessor, operatorProcessor } from '../operators/operator-processor.ts'
import { type Clock, Handed, type LogRecord, type Position, type StoreChange, type TopicPartition } from '../ports.ts'
import type { TaskStore } from '../state/task-store.ts'
import type { RecordTime } from '../state/write-back-store.ts'
import { nearestAsync } from './async-paths.ts'
import { AsyncRuntime } from './async-runtime.ts'
import { TaskFailures } from './failures.ts'
import { NodeContext } from './node-context.ts'
import { type NodeRuntime, ProcessorRuntime, SinkRuntime, SourceRuntime } from './node-runtime.ts'
import { readNote, writeNote } from './position-note.ts'
import { Punctuations } from './punctuations.ts'
import { QueueHeap } from './queue-heap.ts'
import { RecordPlace } from './record-place.ts'
import { RecordQueue } from './record-queue.ts'
import type { TaskState, TaskSurroundings } from './task-state.ts'

export interface TaskOptions {
  readonly id: string
  readonly subtopology: Subtopology
  readonly partition: number
  /** The partitions that it reads, with where the last commit stands. */
  readonly inputs: readonly (TopicPartition & { readonly position: Position | null })[]
  /** One a store of the sub-topology, opened for this task. */
  readonly stores: ReadonlyMap<string, TaskStore>
  readonly usersOf: (store: string) => ReadonlySet<string>
  /** What every task may read. */
  readonly globals: ReadonlyMap<string, StateStore>
  /** The name that the log keeps this task's state under. */
  readonly stateName: string
  readonly meters?: TaskMeters
  /** Shared with its stores. */
  readonly time?: RecordTime
  /** Several tasks that choose as one, as those of a test driver do. */
  readonly waiting?: QueueHeap
}

const noInputs: readonly TopicPartition[] = []

/** One sub-topology for one partition number: owns its stores, its buffer and its commit position. */
export class Task implements TaskState {
  readonly id: string
  readonly applicationId: string
  readonly clock: Clock
  readonly punctuations: Punctuations
  readonly failures: TaskFailures
  readonly notes = new Map<string, number>()
  readonly meters: TaskMeters
  readonly time: RecordTime
  readonly inputs: readonly TopicPartition[]
  readonly #options: TaskOptions
  readonly #surroundings: TaskSurroundings
  readonly #queues: RecordQueue[] = []
  readonly #waiting: QueueHeap
  readonly #sources: SourceRuntime[] = []
  readonly #place: RecordPlace
  readonly #async: AsyncRuntime[] = []
  readonly #nodes: NodeRuntime[] = []
  readonly #shared = new Map<object, unknown>()
  /** Next offset to process, by queue. */
  readonly #consumed: number[] = []
  readonly #committed: number[] = []
  /** What the last commit says of asynchronous nodes, by queue. */
  readonly #committedAhead: string[] = []
  /** Up to where records are read again for asynchronous nodes, by queue. */
  readonly #replayUntil: number[] = []
  readonly #aheads: (Ahead | null)[] = []
  streamTime = -1

  constructor(options: TaskOptions, surroundings: TaskSurroundings) {
    this.id = options.id
    this.applicationId = surroundings.applicationId
    this.clock = surroundings.clock
    this.punctuations = new Punctuations(surroundings.clock)
    this.inputs = options.inputs
    this.time = options.time ?? { now: -1 }
    this.meters = options.meters ?? new TaskMeters(options.id, { time: { now: surroundings.clock.now() }, thread: '', punctuate: null })
    this.meters.buffered = () => this.bufferedRecords
    this.#options = options
    this.#waiting = options.waiting ?? new QueueHeap()
    this.#surroundings = surroundings
    this.#place = new RecordPlace(options.partition, this.#queues)
    this.failures = new TaskFailures(options.id, this.#place, surroundings, this.meters.dropped)
    this.#build()
  }

  get metadata(): RecordMetadata | null {
    return this.#place.metadata
  }

  get isReplay(): boolean {
    return this.#place.isReplay
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

  /** It has asynchronous nodes: what it reads may be done long after. */
  get takesTime(): boolean {
    return this.#async.length > 0
  }

  /** Records that wait in asynchronous nodes. */
  get inFlight(): number {
    let size = 0
    for (const node of this.#async) size += node.size
    return size
  }

  /** Something was processed that no commit holds yet. */
  get hasUncommitted(): boolean {
    return this.#consumed.some((offset, index) => offset !== this.#committed[index])
  }

  /** A store of this task; null where it has none of that name. */
  store(name: string): StateStore | null {
    return this.#options.stores.get(name)?.store ?? null
  }

  get partition(): number {
    return this.#options.partition
  }

  /** The next offset to process of one of its inputs; -1 where nothing was yet. */
  positionOf(topic: string, partition: number): number {
    const queue = this.#queues.find((one) => one.topic === topic && one.partition === partition)
    return queue === undefined ? -1 : (this.#consumed[queue.index] ?? -1)
  }

  add(topic: string, partition: number, records: readonly LogRecord[]): void {
    const queue = this.#queues.find((one) => one.topic === topic && one.partition === partition)
    if (queue === undefined) return
    const wasEmpty = queue.size === 0
    queue.add(records)
    if (wasEmpty && queue.size > 0) this.#waiting.offer(queue)
  }

  get emitIntervalMs(): number {
    return this.#surroundings.emitIntervalMs
  }

  standIn(metadata: RecordMetadata, act: () => void): void {
    const before = this.#place.standIn
    this.#place.standIn = metadata
    try {
      act()
    } finally {
      this.#place.standIn = before
    }
  }

  requestCommit(): void {
    this.#surroundings.requestCommit()
  }

  /** Inputs that have nothing buffered, while others have: which record is the oldest is not known (KIP-695). */
  get emptyInputs(): readonly TopicPartition[] {
    if (this.#waiting.first === undefined || this.#queues.length < 2) return noInputs
    return this.#queues.every(({ size }) => size > 0) ? noInputs : this.#queues.filter(({ size }) => size === 0)
  }

  /** Inputs with something buffered. */
  get fullInputs(): readonly TopicPartition[] {
    return this.#queues.filter(({ size }) => size > 0)
  }

  /** Processes up to `limit` records without giving way. How many it did; fewer means that it has no more, or must wait. */
  process(limit: number): number {
    let done = 0
    while (done < limit) {
      const queue = this.#waiting.first
      if (queue === undefined || (this.#isBlocked() && !this.#isReplayed(queue))) break
      this.#processFrom(queue)
      done++
    }
    if (done > 0) this.#passed(done)
    return done
  }

  #passed(records: number): void {
    this.meters.process.record(records)
    for (const queue of this.#queues) {
      const taken = queue.takenSinceAsked()
      if (taken > 0) this.#sources[queue.index]?.read.record(taken)
    }
  }

  /** Processes the next record of a queue of this task that comes first among all that wait. */
  processFirst(queue: RecordQueue): boolean {
    if (this.#queues[queue.index] !== queue) return false
    this.#processFrom(queue)
    return true
  }

  /** Sends on what asynchronous nodes have finished. */
  drain(): boolean {
    let drained = false
    for (const node of this.#async) if (node.drain(this.#mayGo)) drained = true
    return drained
  }

  punctuate(now: number): boolean {
    this.#place.leave()
    if (now < this.punctuations.nextWallClock) return false
    return this.#timed(() => this.punctuations.punctuateWallClock(now))
  }

  /** Adds what a commit made now has to hold. `committed` is due once for each call, when it took effect. */
  takeCommit(positions: (TopicPartition & Position)[], state: StoreChange[]): void {
    for (const [name, { rows }] of this.#options.stores) {
      const entries = rows.takeChanges()
      if (entries.length > 0) state.push({ task: this.#options.stateName, store: name, entries })
    }
    this.#consumed.forEach((consumed, index) => {
      const queue = this.#queues[index]
      // Until all is read again that is to be, what the last commit says of it holds.
      if (queue === undefined || consumed < 0 || consumed < (this.#replayUntil[index] ?? 0)) return
      const ahead = this.#aheadOf(index, consumed)
      const offset = ahead === null ? consumed : Math.min(...Object.values(ahead.nodes).map((node) => node.offset))
      const said = ahead === null ? '' : JSON.stringify(ahead)
      if (offset === this.#committed[index] && said === this.#committedAhead[index]) return
      this.#committed[index] = offset
      this.#committedAhead[index] = said
      positions.push({
        topic: queue.topic,
        partition: queue.partition,
        offset,
        metadata: writeNote({ streamTime: this.streamTime, notes: [...this.notes], ahead }),
      })
    })
  }

  readonly #mayGo = (index: number): boolean => (this.#consumed[index] ?? 0) >= (this.#replayUntil[index] ?? 0)

  #isReplayed({ index, head }: RecordQueue): boolean {
    return head !== undefined && head.offset < (this.#replayUntil[index] ?? 0)
  }

  /** What asynchronous nodes have not finished of a partition that was read up to `until`; null where they have all of it. */
  #aheadOf(index: number, until: number): Ahead | null {
    const unfinished = this.#async.flatMap((node) => {
      const own = node.unfinished(index)
      return own === null ? [] : [[node.name, own] as const]
    })
    return unfinished.length === 0 ? null : { until, nodes: Object.fromEntries(unfinished) }
  }

  committed(): void {
    for (const { rows } of this.#options.stores.values()) rows.committed()
  }

  close(): void {
    for (const node of this.#nodes) node.close()
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
    const record = queue.take()
    if (queue.size > 0) this.#waiting.offer(queue)
    const { index } = queue
    const source = this.#sources[index]
    if (record === undefined || source === undefined) return
    this.#place.enter(index, record, record.offset < (this.#replayUntil[index] ?? 0))
    const decoded = this.#decode(source, queue, record)
    if (decoded !== null) {
      const { timestamp } = decoded
      const late = this.streamTime - timestamp
      if (late < 0) this.streamTime = timestamp
      this.meters.lateness.record(Math.max(0, late))
      source.meet(timestamp, this.meters)
      source.process(decoded)
    }
    this.#consumed[index] = record.offset + 1
    this.#place.leave()
    if (this.streamTime >= this.punctuations.nextStreamTime) this.#timed(() => this.punctuations.punctuateStreamTime(this.streamTime))
  }

  #timed(punctuate: () => boolean): boolean {
    const start = this.clock.elapsedMs()
    const fired = punctuate()
    if (fired) this.meters.punctuated(this.clock.elapsedMs() - start)
    return fired
  }

  /** Null where it cannot be read and is dropped. */
  #decode(source: SourceRuntime, queue: RecordQueue, record: LogRecord): Record<unknown, unknown> | null {
    try {
      const decoded = source.decode(queue, record)
      if (decoded === null) this.meters.dropped.record(1)
      return decoded
    } catch (thrown) {
      const { key, value, timestamp, headers } = record
      this.failures.handle('deserialization', source.name, thrown, { key, value: value instanceof Handed ? value.value : value, timestamp, headers })
      return null
    }
  }

  #isBlocked(): boolean {
    for (const node of this.#async) if (node.isFull) return true
    return false
  }

  #build(): void {
    const { subtopology, inputs, stores, usersOf, globals } = this.#options
    const contexts = new Map<string, NodeContext>()
    const children = new Map<string, NodeRuntime[]>()
    const sources = new Map<string, SourceRuntime>()
    for (const node of subtopology.nodes) {
      const own = new Map<string, StateStore>([
        ...globals,
        ...[...stores].flatMap(([name, { store }]) => (usersOf(name).has(node.name) ? [[name, store] as const] : [])),
      ])
      const context = new NodeContext(node.name, this, own)
      const below: NodeRuntime[] = []
      context.children = below
      contexts.set(node.name, context)
      children.set(node.name, below)
    }
    for (const input of inputs) {
      const source = subtopology.nodes.find((node): node is SourceNode => node.kind === 'source' && node.topics.includes(input.topic))
      if (source === undefined) continue
      const consumed = this.meters.node(source.name).traffic(input.topic, 'consumed')
      this.#queues.push(new RecordQueue(this.#queues.length, source, input.topic, input.partition, consumed))
      this.#consumed.push(input.position?.offset ?? -1)
      this.#committed.push(input.position?.offset ?? -1)
      const { streamTime, notes, ahead } = readNote(input.position?.metadata ?? '')
      this.streamTime = Math.max(this.streamTime, streamTime)
      for (const [name, value] of notes) this.notes.set(name, Math.max(value, this.notes.get(name) ?? -1))
      this.#aheads.push(ahead)
      this.#committedAhead.push(ahead === null ? '' : JSON.stringify(ahead))
      this.#replayUntil.push(ahead?.until ?? 0)
    }
    const asyncNodes = this.#buildAsync(contexts)
    for (const node of subtopology.nodes) {
      const context = contexts.get(node.name)
      if (context === undefined) continue
      const runtime = asyncNodes.get(node.name) ?? this.#runtime(node, context)
      if (runtime instanceof SourceRuntime) sources.set(node.name, runtime)
      this.#nodes.push(runtime)
      for (const parent of parentsOf(node)) children.get(parent)?.push(runtime)
    }
    if (asyncNodes.size > 0) {
      const nearest = nearestAsync(subtopology.nodes)
      for (const context of contexts.values())
        context.leads = context.children.filter(({ name }) => asyncNodes.has(name) || nearest.get(name)?.length)
    }
    for (const node of this.#nodes) if (node instanceof ProcessorRuntime && children.get(node.name)?.length === 0) node.endsWith(this.meters)
    for (const queue of this.#queues) {
      const source = sources.get(queue.source.name)
      if (source !== undefined) this.#sources.push(source)
    }
  }

  /** From the last to the first, since each knows those that it leads to. */
  #buildAsync(contexts: ReadonlyMap<string, NodeContext>): ReadonlyMap<string, AsyncRuntime> {
    const { nodes } = this.#options.subtopology
    const nearest = nearestAsync(nodes)
    const made = new Map<string, AsyncRuntime>()
    for (const node of nodes.toReversed()) {
      const context = contexts.get(node.name)
      if (node.kind !== 'async' || context === undefined) continue
      const below = (nearest.get(node.name) ?? []).flatMap((name) => made.get(name) ?? [])
      const runtime = new AsyncRuntime(node, { context, surroundings: this.#surroundings, place: this.#place, below })
      for (const [index, ahead] of this.#aheads.entries()) {
        const unfinished = ahead?.nodes[node.name]
        if (unfinished !== undefined) runtime.resume(index, unfinished)
      }
      made.set(node.name, runtime)
      this.#async.unshift(runtime)
    }
    return made
  }

  #runtime(node: GraphNode, context: NodeContext): NodeRuntime {
    switch (node.kind) {
      case 'source':
        return new SourceRuntime(node, context, this.meters)
      case 'sink':
        return new SinkRuntime(node, this.#surroundings, this.#place, this.failures, this.meters)
      case 'async':
        throw new Error('An asynchronous node is made before the others')
      case 'operator':
        return new ProcessorRuntime(node, operatorProcessor(node.operator), context, this.time)
      case 'processor':
        return new ProcessorRuntime(node, (node.supplier as () => OperatorProcessor)(), context, this.time)
    }
  }
}
