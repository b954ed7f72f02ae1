import type { AsyncStep, AsyncWorker } from '../../topology/async-step.ts'
import type { AsyncNode } from '../../topology/graph.ts'
import { CallMeters } from '../metrics/call-meters.ts'
import type { Clock } from '../ports.ts'
import type { KillingRecordSearch } from './killing-record-search.ts'
import { RowBatcher } from './row-batcher.ts'
import { WaitingLimit, type WaitingShare } from './waiting-limit.ts'

type AnyBatcher = RowBatcher<unknown, unknown, unknown, unknown>

export interface BatchersOptions {
  readonly workers: { of(node: AsyncNode): AsyncWorker<unknown, unknown, unknown, unknown> }
  readonly clock: Clock
  readonly killingRecordSearch: KillingRecordSearch | null
  /** The most memory of all waiting rows together. */
  readonly maxWaitingBytes?: number
}

/**
 * The batchers of one thread's asynchronous nodes. Depending on its step, a node has one batcher for all its tasks, or one for each task.
 * `row-batcher.ts` decides when a batch is sent.
 */
export class Batchers {
  readonly #options: BatchersOptions
  readonly #room: WaitingLimit
  /** Counts by the name of the node. The counts stay when the node's batchers are closed. */
  readonly meters = new Map<string, CallMeters>()
  readonly #batchers = new Map<string, { readonly batcher: AnyBatcher; readonly task: string | null }>()

  constructor(options: BatchersOptions) {
    this.#options = options
    this.#room = new WaitingLimit(options.maxWaitingBytes ?? maxWaitingBytes)
  }

  of(node: AsyncNode, task: string): AnyBatcher {
    const step = node.step as unknown as AsyncStep<unknown, unknown, unknown, unknown>
    const name = nameOf(node, task)
    const there = this.#batchers.get(name)
    if (there !== undefined) return there.batcher
    const { workers, clock, killingRecordSearch } = this.#options
    const meters = this.meters.get(node.name) ?? new CallMeters()
    this.meters.set(node.name, meters)
    const batcher = new RowBatcher(step, workers.of(node), clock, killingRecordSearch, this.#room, meters)
    this.#batchers.set(name, { batcher, task: step.counts === 'task' ? task : null })
    return batcher
  }

  /** The waiting memory that one node of one task may use. */
  waitingShare(node: AsyncNode, task: string): WaitingShare {
    return this.#room.waitingShare(nameOf(node, task), node.step.maxInFlight)
  }

  get calls(): number {
    return [...this.#batchers.values()].reduce((sum, { batcher }) => sum + batcher.calls, 0)
  }

  /** Drops the batchers of all other tasks. */
  keep(tasks: readonly string[]): void {
    for (const [name, { batcher, task }] of this.#batchers) {
      if (task === null || tasks.includes(task)) continue
      batcher.close()
      this.#batchers.delete(name)
    }
  }

  closeAll(): void {
    for (const { batcher } of this.#batchers.values()) batcher.close()
    this.#batchers.clear()
  }
}

/** The name of a node's batcher. Nodes whose calls are counted together have the same name. No name of a node contains a line break. */
function nameOf({ name, step }: AsyncNode, task: string): string {
  return step.counts === 'task' ? `${name}\n${task}` : name
}

const maxWaitingBytes = 64 * 1024 * 1024
