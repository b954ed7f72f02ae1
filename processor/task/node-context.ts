import type { Cancellable, PunctuationType, Punctuator } from '../../topology/processor-api.ts'
import type { NewRecord, Record, RecordMetadata } from '../../topology/record.ts'
import { noHeaders } from '../../topology/record.ts'
import type { StateStore, StoreBuilder } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BufferMeters, NodeMeters } from '../metrics/task-meters.ts'
import type { OperatorContext } from '../operators/operator-context.ts'
import type { NodeRuntime } from './node-runtime.ts'
import type { TaskState } from './task-state.ts'

/** What one node of one task reaches its surroundings through. */
export class NodeContext implements OperatorContext {
  readonly applicationId: string
  readonly taskId: string
  readonly #node: string
  readonly #task: TaskState
  readonly #stores: ReadonlyMap<string, StateStore>
  children: readonly NodeRuntime[] = []
  /** Those of them that are or lead to an asynchronous node; null where the task has none. */
  leads: readonly NodeRuntime[] | null = null

  constructor(node: string, task: TaskState, stores: ReadonlyMap<string, StateStore>) {
    this.applicationId = task.applicationId
    this.taskId = task.id
    this.#node = node
    this.#task = task
    this.#stores = stores
  }

  /** Of a record that the node could not do; throws where that is to stand. */
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
        message: `Node ${this.#node} forwards to ${child}, which is no child of it`,
        next: `Forward to one of: ${this.children.map(({ name }) => name).join(', ') || '(it has none)'}.`,
      })
    }
    if (this.targets.includes(node)) node.process(full)
  }

  /** Whom a record goes to that is for nobody in particular. */
  get targets(): readonly NodeRuntime[] {
    return this.leads !== null && this.#task.isReplay ? this.leads : this.children
  }

  forwardFrom(metadata: RecordMetadata, record: Record<unknown, unknown>): void {
    this.#task.standIn(metadata, () => this.forward(record))
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

  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator): Cancellable {
    return this.#task.punctuations.schedule(intervalMs, type, (timestamp) => {
      try {
        punctuator(timestamp)
      } catch (thrown) {
        this.#task.failures.handle('processing', this.#node, thrown, null, { time: timestamp })
      }
    })
  }

  noted(name: string): number | null {
    return this.#task.notes.get(name) ?? null
  }

  note(name: string, value: number): void {
    this.#task.notes.set(name, value)
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
