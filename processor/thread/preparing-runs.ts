import { Unavailable, type WaggleError } from '../../topology/waggle-error.ts'
import type { Clock, LogRecord, RecordRun, TopicPartition } from '../ports.ts'
import type { SourceRuntime } from '../task/node-runtime.ts'
import type { Task } from '../task/task.ts'

export interface PreparingRunsOptions {
  readonly clock: Clock
  /** Called each time a resource that a record needs is unavailable. */
  readonly onUnavailable: (error: WaggleError) => void
  /** True while the task runs in this thread. Otherwise its records are dropped, and the task's next owner reads them again. */
  readonly isOpen: (task: Task) => boolean
  /** Pauses a partition while one of its records waits. */
  readonly hold: (task: Task, partition: TopicPartition) => void
  readonly letGo: (task: Task, partition: TopicPartition) => void
  readonly wake: () => void
}

/**
 * Records whose serdes must fetch something before they can be read. A partition with such a record is paused, and its records keep their order.
 * Other partitions go on. If a fetch is refused, its record fails when it is read. If the source of the fetch does not answer, the fetch is repeated
 * with growing pauses.
 */
export class PreparingRuns {
  readonly #options: PreparingRunsOptions
  readonly #held = new Set<Held>()

  constructor(options: PreparingRunsOptions) {
    this.#options = options
  }

  has(task: Task, { topic, partition }: TopicPartition): boolean {
    return this.#find(task, topic, partition) !== undefined
  }

  /** Gives ready records to the task at once, and lets the other records wait. */
  add(task: Task, source: SourceRuntime, { topic, partition, records }: RecordRun): void {
    const before = this.#find(task, topic, partition)
    if (before !== undefined) {
      before.records.push(...records)
      return
    }
    const held: Held = { task, source, topic, partition, records: [...records], cancel: () => {} }
    const next = this.#give(held)
    if (next === null) return
    this.#held.add(held)
    this.#options.hold(task, held)
    void this.#wait(held, next)
  }

  clear(): void {
    for (const held of this.#held) {
      held.cancel()
      this.#options.letGo(held.task, held)
    }
    this.#held.clear()
  }

  async #wait(held: Held, first: Preparation): Promise<void> {
    const { task, source } = held
    let failures = 0
    for (let next: Preparation | null = first; next !== null; ) {
      const { record, promise }: Preparation = next
      const failure = await promise.then(
        () => null,
        (reason: unknown) => ({ reason }),
      )
      if (!this.#isHeld(held)) return
      if (failure?.reason instanceof Unavailable) {
        this.#options.onUnavailable(failure.reason)
        await this.#pause(held, Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, failures++)))
        if (!this.#isHeld(held)) return
        const again = source.preparation(held.topic, record)
        next = again === null ? this.#past(held) : { record, promise: again }
        continue
      }
      failures = 0
      if (failure !== null) source.refuse(record, failure.reason)
      next = this.#past(held)
    }
    this.#held.delete(held)
    this.#options.letGo(task, held)
    this.#options.wake()
  }

  /** Adds records to the task: the first record, which can be read now, and the ready records after it. */
  #past(held: Held): Preparation | null {
    held.task.add(held.topic, held.partition, held.records.splice(0, 1))
    this.#options.wake()
    return this.#give(held)
  }

  /** Adds ready records to the task. Returns the preparation of the first remaining record; null if no record remains. */
  #give({ task, source, topic, partition, records }: Held): Preparation | null {
    let ready = 0
    let promise: Promise<unknown> | null = null
    for (const record of records) {
      promise = source.preparation(topic, record)
      if (promise !== null) break
      ready++
    }
    if (ready > 0) task.add(topic, partition, records.splice(0, ready))
    const [record] = records
    return record === undefined || promise === null ? null : { record, promise }
  }

  /** False if the task was closed while the run waited. */
  #isHeld(held: Held): boolean {
    if (!this.#held.has(held)) return false
    if (this.#options.isOpen(held.task)) return true
    this.#held.delete(held)
    return false
  }

  #find(task: Task, topic: string, partition: number): Held | undefined {
    if (this.#held.size === 0) return undefined
    for (const held of this.#held) if (held.task === task && held.topic === topic && held.partition === partition) return held
    return undefined
  }

  #pause(held: Held, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      held.cancel = this.#options.clock.after(delayMs, resolve)
    })
  }
}

interface Held extends TopicPartition {
  readonly task: Task
  readonly source: SourceRuntime
  /** Records that are not added yet, oldest first. */
  readonly records: LogRecord[]
  /** Ends the pause before the next attempt. */
  cancel: () => void
}

interface Preparation {
  readonly record: LogRecord
  readonly promise: Promise<unknown>
}

const backOffMs = 50
const maxBackOffMs = 5000
