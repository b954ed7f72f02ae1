import type { CommitPoint, CommitReceipt, ProducerRecord, TaskProducer } from '../../../processor/ports.ts'
import { commitDropped } from '../../../topology/log-errors.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { Appended } from './commit-write.ts'

export interface TaskProducerOptions {
  readonly group: string
  readonly cycle: CommitCycle
  /** True if records were dropped that this producer's tasks may have used, while the tasks still run. */
  readonly isOutdated: () => boolean
  readonly onAbort: () => Promise<void>
  readonly onClosed: (producer: EmbeddedTaskProducer) => void
}

/** Appends records and commits them for one stream thread. */
export class EmbeddedTaskProducer implements TaskProducer {
  readonly #options: TaskProducerOptions
  readonly #cycle: CommitCycle
  #open: Appended[] = []

  constructor(options: TaskProducerOptions) {
    this.#options = options
    this.#cycle = options.cycle
  }

  append(record: ProducerRecord): void {
    this.#open.push(this.#cycle.append(record, this))
  }

  async commit(point: CommitPoint): Promise<CommitReceipt> {
    if (this.#options.isOutdated()) {
      this.#cycle.forget(this.takeOpen())
      throw commitDropped()
    }
    const appended = this.takeOpen()
    await this.#cycle.commit(this.#options.group, appended, point)
    return {
      get ends() {
        return endsOf(appended)
      },
    }
  }

  abort(): Promise<void> {
    return this.#options.onAbort()
  }

  async close(): Promise<void> {
    this.#options.onClosed(this)
  }

  /** Takes the records that are in no commit yet. */
  takeOpen(): readonly Appended[] {
    const open = this.#open
    this.#open = []
    return open
  }
}

function endsOf(appended: readonly Appended[]): CommitReceipt['ends'] {
  const ends = new Map(appended.map(({ partition, record }) => [partition, record.offset + 1]))
  return Array.from(ends, ([{ topic, number }, offset]) => ({ topic, partition: number, offset }))
}
