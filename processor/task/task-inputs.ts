import type { SourceNode } from '../../topology/graph.ts'
import type { Record } from '../../topology/record.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { TaskMeters } from '../metrics/task-meters.ts'
import { DamagedValue, Handed, type LogRecord, type Position, type TopicPartition } from '../ports.ts'
import type { CurrentRecord } from './current-record.ts'
import type { TaskFailures } from './failures.ts'
import type { SourceRuntime } from './node-runtime.ts'
import type { QueueHeap } from './queue-heap.ts'
import { type QueueHead, RecordQueue } from './record-queue.ts'
import type { TaskNodes } from './task-nodes.ts'
import type { TaskPositions } from './task-positions.ts'

/** A partition that a task reads, with its position in the last commit. */
export type TaskInput = TopicPartition & { readonly position: Position | null }

export interface TaskInputsOptions {
  /** The list that gets a queue for each opened input. `current` and `positions` read this list. */
  readonly queues: RecordQueue[]
  readonly current: CurrentRecord
  readonly positions: TaskPositions
  readonly failures: TaskFailures
  readonly meters: TaskMeters
  /** The order in which records are processed. */
  readonly waiting: QueueHeap
}

/**
 * The partitions that a task reads, with a queue of records for each. The first record of a queue is decoded when it comes to the front. Its time
 * gives the queue a place in the order of processing.
 */
export class TaskInputs {
  readonly #options: TaskInputsOptions
  readonly #queues: RecordQueue[]
  readonly #waiting: QueueHeap
  readonly #partitions: TopicPartition[] = []
  readonly #byTopic = new Map<string, Map<number, RecordQueue>>()
  /** Queues whose first record is not decoded yet. */
  readonly #fresh: RecordQueue[] = []
  /** The source of each queue. */
  readonly #sources: SourceRuntime[] = []

  constructor(options: TaskInputsOptions) {
    this.#options = options
    this.#queues = options.queues
    this.#waiting = options.waiting
  }

  /** Opens a queue for each input, at its position in the last commit. Returns the stream time of that commit; -1 without one. */
  open(subtopology: Subtopology, inputs: readonly TaskInput[]): number {
    let streamTime = -1
    for (const input of inputs) {
      const source = subtopology.nodes.find((node): node is SourceNode => node.kind === 'source' && node.topics.includes(input.topic))
      if (source !== undefined) streamTime = Math.max(streamTime, this.#openQueue(source, input))
      this.#partitions.push(input)
    }
    return streamTime
  }

  /** Connects the queues with their sources. This method must be called before the first record is added. */
  connect(nodes: TaskNodes): void {
    for (const { source } of this.#queues) {
      const runtime = nodes.source(source.name)
      if (runtime !== null) this.#sources.push(runtime)
    }
  }

  /** Opens and connects one more input. Returns the stream time of its last commit; -1 without one. */
  openOne(source: SourceNode, input: TaskInput, nodes: TaskNodes): number {
    const streamTime = this.#openQueue(source, input)
    const runtime = nodes.source(source.name)
    if (runtime !== null) this.#sources.push(runtime)
    this.#partitions.push(input)
    return streamTime
  }

  get partitions(): readonly TopicPartition[] {
    return this.#partitions
  }

  /** The queue whose first record is processed next. */
  get first(): RecordQueue | undefined {
    return this.#waiting.least
  }

  /** Partitions without buffered records, if other partitions have some. Their next record may be older than all buffered records (KIP-695). */
  get empty(): readonly TopicPartition[] {
    if (this.#waiting.least === undefined || this.#queues.length < 2) return noInputs
    return this.#queues.every(({ size }) => size > 0) ? noInputs : this.#queues.filter(({ size }) => size === 0)
  }

  /** Partitions with buffered records. */
  get full(): readonly TopicPartition[] {
    return this.#queues.filter(({ size }) => size > 0)
  }

  get hasRecords(): boolean {
    for (const queue of this.#queues) if (queue.size > 0) return true
    return false
  }

  get records(): number {
    let size = 0
    for (const queue of this.#queues) size += queue.size
    return size
  }

  get bytes(): number {
    let bytes = 0
    for (const queue of this.#queues) bytes += queue.bytes
    return bytes
  }

  has(queue: RecordQueue): boolean {
    return this.#queues[queue.index] === queue
  }

  at(index: number): RecordQueue | undefined {
    return this.#queues[index]
  }

  queueOf(topic: string, partition: number): RecordQueue | undefined {
    return this.#byTopic.get(topic)?.get(partition)
  }

  sourceOf(queue: RecordQueue | undefined): SourceRuntime | undefined {
    return queue === undefined ? undefined : this.#sources[queue.index]
  }

  add(queue: RecordQueue, records: readonly LogRecord[]): void {
    queue.add(records)
    if (queue.head === null && !this.#fresh.includes(queue)) this.#fresh.push(queue)
  }

  /** Decodes the first record of each queue that was empty. Throws if a record cannot be read and its handler does not skip it. */
  advance(): void {
    for (let queue = this.#fresh.shift(); queue !== undefined; queue = this.#fresh.shift()) this.#advance(queue)
  }

  /**
   * Takes the first record of the queue that `first` names; null if the queue has no record. The next record of the queue is decoded at once. So it
   * comes before records that the taken record causes in the task's own topics.
   */
  take(queue: RecordQueue): QueueHead | null {
    this.#waiting.take()
    const head = queue.take()
    if (head !== null) this.#advance(queue)
    return head
  }

  /** Counts the records that were taken since the last call, in the meters of their sources. */
  countTaken(): void {
    for (const queue of this.#queues) {
      const taken = queue.newlyTaken()
      if (taken > 0) this.#sources[queue.index]?.read.record(taken)
    }
  }

  #openQueue(source: SourceNode, { topic, partition, position }: TaskInput): number {
    const consumed = this.#options.meters.node(source.name).traffic(topic, 'consumed')
    const queue = new RecordQueue(this.#queues.length, source, topic, partition, consumed)
    this.#queues.push(queue)
    const ofTopic = this.#byTopic.get(topic) ?? new Map<number, RecordQueue>()
    this.#byTopic.set(topic, ofTopic.set(partition, queue))
    return this.#options.positions.open(queue, position)
  }

  /** Decodes the next record of a queue, and moves the queue to its place in the order of processing. */
  #advance(queue: RecordQueue): void {
    const source = this.#sources[queue.index]
    if (source === undefined) return
    if (queue.advance((record) => this.#decode(source, queue, record))) this.#waiting.add(queue)
  }

  /** Decodes a record. Returns null for a record that is skipped or cannot be read. */
  #decode(source: SourceRuntime, queue: RecordQueue, record: LogRecord): Record<unknown, unknown> | null {
    try {
      const decoded = source.decode(queue, record)
      if (decoded !== null) return decoded
      this.#options.meters.dropped.record(1)
    } catch (thrown) {
      const { current, failures } = this.#options
      const { key, value, timestamp, headers } = record
      current.enter(queue.index, record, queue.isReplay(record))
      const shown = value instanceof Handed ? value.value : value instanceof DamagedValue ? undefined : value
      const failed = { key, value: shown, timestamp, headers }
      const replacement = failures.handle('deserialization', source.name, thrown, failed)
      current.leave()
      if (replacement !== null) return replacement
    }
    this.#options.positions.consume(queue, record.offset)
    return null
  }
}

const noInputs: readonly TopicPartition[] = []
