import type { Cancellable, PunctuationType, Punctuator } from '../../topology/processor-api.ts'
import type { NewRecord, Record, RecordMetadata } from '../../topology/record.ts'
import { noHeaders } from '../../topology/record.ts'
import type { StateStore, StoreBuilder } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BufferMeters, NodeMeters } from '../metrics/task-meters.ts'
import type { OperatorContext, TableUpdates } from '../operators/operator-context.ts'
import type { KeptNumber, Worth } from '../state/task-memory.ts'
import type { NodeRuntime } from './node-runtime.ts'
import type { TaskView } from './task-view.ts'

/** The context of one node of one task: time, stores, forwarding and schedules. */
export class NodeContext implements OperatorContext {
  readonly applicationId: string
  readonly taskId: string
  readonly #node: string
  readonly #task: TaskView
  readonly #stores: ReadonlyMap<string, StateStore>
  children: readonly NodeRuntime[] = []
  /** Children that are asynchronous nodes or lead to one; null in a task without asynchronous nodes. */
  leads: readonly NodeRuntime[] | null = null

  constructor(node: string, task: TaskView, stores: ReadonlyMap<string, StateStore>) {
    this.applicationId = task.applicationId
    this.taskId = task.id
    this.#node = node
    this.#task = task
    this.#stores = stores
  }

  /** Reports a record that the node could not process. Throws if the failure handler does not skip the record. */
  failed(thrown: unknown, record: Record<unknown, unknown>): void {
    this.#task.failures.handle('processing', this.#node, thrown, record)
  }

  get currentStreamTime(): number {
    return this.#task.streamTime
  }

  get currentSystemTime(): number {
    return this.#task.clock.now()
  }

  get emitIntervalMs(): number {
    return this.#task.emitIntervalMs
  }

  get recordMetadata(): RecordMetadata | null {
    return this.#task.metadata
  }

  forward(record: NewRecord<unknown, unknown>, child?: string): void {
    if (record.key === undefined || record.value === undefined || !(record.timestamp >= 0)) throw malformed(this.#node, record)
    const full: Record<unknown, unknown> =
      record.headers === undefined
        ? { key: record.key, value: record.value, timestamp: record.timestamp, headers: noHeaders }
        : (record as Record<unknown, unknown>)
    if (child === undefined) {
      for (const node of this.targets) node.process(full)
      return
    }
    const node = this.children.find(({ name }) => name === child)
    if (node === undefined) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: `Node ${this.#node} forwards to ${child}, which is not a child of it`,
        next: `Forward to one of: ${this.children.map(({ name }) => name).join(', ') || '(it has none)'}.`,
      })
    }
    if (this.targets.includes(node)) node.process(full)
  }

  /** The children that receive a record if no child is named. */
  get targets(): readonly NodeRuntime[] {
    return this.leads !== null && this.#task.isReplay ? this.leads : this.children
  }

  forwardFrom(metadata: RecordMetadata, record: Record<unknown, unknown>): void {
    this.#task.inContextOf(metadata, () => this.forward(record))
  }

  getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S {
    const name = typeof store === 'string' ? store : store.name
    const found = this.#stores.get(name)
    if (found === undefined) {
      throw new WaggleError('WAGGLE_STORE_NOT_CONNECTED', {
        message: `Node ${this.#node} asks for the store ${name}, which it was not given`,
        next: `Name ${name} among the node’s stores.`,
      })
    }
    return found as S
  }

  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator, { startTime }: { startTime?: number } = {}): Cancellable {
    const { memory } = this.#task
    const start = startTime === undefined ? null : { startTime, streamTime: this.#task.streamTime }
    return this.#task.punctuations.schedule({ intervalMs, type, start }, (timestamp) => {
      const before = memory.now
      // In the changelog, rows that the punctuation writes have the punctuation's time.
      memory.now = timestamp
      try {
        punctuator(timestamp)
      } catch (thrown) {
        this.#task.failures.handle('processing', this.#node, thrown, null, { time: timestamp })
      } finally {
        memory.now = before
      }
    })
  }

  updates(store: string | null, sendsOld: () => boolean): TableUpdates {
    const cache = store === null ? null : this.#task.tableCache(store)
    cache?.listen((record) => this.forward(record), sendsOld)
    if (cache !== null) return { areHeldBack: true, send: (update) => cache.put(update) }
    return {
      areHeldBack: false,
      send: ({ key, change, timestamp, headers }) => this.forward({ key, value: change, timestamp, headers }),
    }
  }

  kept(name: string, worth?: Worth): KeptNumber {
    return this.#task.memory.kept(`${this.#node}.${name}`, worth)
  }

  shared<T>(owner: object, make: () => T): T {
    return this.#task.shared(owner, make)
  }

  get meters(): NodeMeters {
    return this.#task.meters.node(this.#node)
  }

  bufferMeters(store: string): BufferMeters {
    return this.#task.meters.buffer(store)
  }

  drop(): void {
    this.#task.meters.dropped.record(1)
  }

  commit(): void {
    this.#task.requestCommit()
  }
}

/** The error of a malformed record. Without this check the error would appear in another node. */
function malformed(node: string, { key, timestamp }: NewRecord<unknown, unknown>): WaggleError {
  if (timestamp === undefined || timestamp >= 0) {
    const what = key === undefined ? 'key' : timestamp === undefined ? 'timestamp' : 'value'
    return new WaggleError('WAGGLE_UNDEFINED_VALUE', {
      message: `${node} sends a record on whose ${what} is undefined`,
      next: 'Give the record a key and a value; a missing key or value is null.',
    })
  }
  return new WaggleError('WAGGLE_INVALID_TIMESTAMP', {
    message: `${node} sends a record on with the timestamp ${timestamp}`,
    next: 'Give the record a time in epoch milliseconds, of at least 0.',
  })
}
