import type { Cancellable, ProcessorContext } from '../../topology/processor-api.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { dueKey, forgetMark } from './due-index.ts'

export interface WaitingRowsOptions {
  /** The store of the join's `DueIndex`. */
  readonly store: KeyValueStore<string, string>
  readonly context: ProcessorContext<never, never>
  /** The longest wait of a row, in ms. */
  readonly timeoutMs: number
  /** Gets the number of rows, for metrics. */
  readonly waiting: { count: number }
}

/**
 * Counts the rows that wait in a join, including rows that waited before the task was opened. These are counted once, from the index of due times,
 * which has the waiting rows of one timeout at its beginning. So the cost of a restart depends on that time, and not on all that the store holds.
 * The count goes on in slices, between which records are processed.
 */
export class WaitingRows {
  readonly #options: WaitingRowsOptions
  /** The last key of the index at which a row could wait when the task was opened. */
  readonly #last: string
  /** Rows of the index with a lower key are counted; null if all rows are. */
  #from: string | null = ''
  #timer: Cancellable | null = null

  constructor(options: WaitingRowsOptions) {
    this.#options = options
    this.#last = dueKey(options.context.currentSystemTime + options.timeoutMs + 1, '')
    options.waiting.count = 0
    this.#countSlice()
    if (this.#from !== null) this.#timer = options.context.schedule(1, 'WALL_CLOCK_TIME', () => this.#countSlice())
  }

  came(key: string, due: number): void {
    if (this.#isCounted(key, due)) this.#options.waiting.count++
  }

  /** Counts one row less. The count never falls below 0, even if a crash has left a row without its due time. */
  left(key: string, due: number): void {
    const { waiting } = this.#options
    if (this.#isCounted(key, due)) waiting.count = Math.max(0, waiting.count - 1)
  }

  /** True for a row whose place the count has passed, or never reaches: a row that came later may be due after `#last`. */
  #isCounted(key: string, due: number): boolean {
    const place = dueKey(due, key)
    return this.#from === null || place < this.#from || place >= this.#last
  }

  #countSlice(): void {
    const { store, waiting } = this.#options
    let rows = 0
    for (const [key, mark] of store.range(this.#from, this.#last)) {
      if (mark !== forgetMark) waiting.count++
      // The lowest key after this one.
      this.#from = `${key}\0`
      if (++rows === maxRowsOfASlice) return
    }
    this.#from = null
    this.#timer?.cancel()
  }
}

const maxRowsOfASlice = 1000
