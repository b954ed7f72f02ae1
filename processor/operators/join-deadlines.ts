import type { JoinByKey, JoinEntry } from '../../topology/operators/join-by-key.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Header } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { DueIndex, forgetMark } from './due-index.ts'
import type { OperatorContext } from './operator-context.ts'
import { WaitingRows } from './waiting-rows.ts'

export interface JoinDeadlinesOptions<V> {
  readonly operator: Pick<JoinByKey<V>, 'dueStore' | 'timeoutMs' | 'deadlineOf'>
  readonly context: ProcessorContext<string, never> & Pick<OperatorContext, 'meters'>
  readonly entries: KeyValueStore<string, JoinEntry<V>>
  /** Called with each row that still waits at its deadline. */
  readonly onDeadline: (row: string, entry: JoinEntry<V>) => void
}

/**
 * The deadlines of a join's rows. A row is an incomplete key, or a forwarded key that the join remembers. When the due time of a row comes, an
 * incomplete row is passed to `onDeadline`, and a remembered row is deleted. `DueIndex` has the timer. `join-by-key.ts` ignores values that come after
 * the deadline.
 */
export class JoinDeadlines<V> {
  readonly #options: JoinDeadlinesOptions<V>
  readonly #dues: DueIndex
  readonly #waiting: WaitingRows

  constructor(options: JoinDeadlinesOptions<V>) {
    const { operator, context } = options
    this.#options = options
    const store = context.getStateStore<KeyValueStore<string, string>>(operator.dueStore)
    this.#dues = new DueIndex(store, context, (row, isDue, { at, mark }) => {
      if (mark !== forgetMark) this.#waiting.left(row, at)
      this.#due(row, isDue)
    })
    this.#waiting = new WaitingRows({ store, context, timeoutMs: operator.timeoutMs, waiting: context.meters.waiting })
  }

  /** The deadline of a key whose first value has these headers: its own, or the end of the join's timeout if that is earlier. In epoch ms. */
  deadlineOf(headers: readonly Header[]): number {
    const { operator, context } = this.#options
    const own = operator.deadlineOf(headers)
    const timeout = context.currentSystemTime + operator.timeoutMs
    return own === null ? timeout : Math.min(own, timeout)
  }

  /** Begins the wait of an incomplete row. */
  begin(row: string, deadline: number): void {
    this.#dues.add(row, deadline)
    this.#waiting.came(row, deadline)
  }

  /** Ends the wait of a row that became complete before its deadline. */
  end(row: string, deadline: number): void {
    this.#dues.remove(row, deadline)
    this.#waiting.left(row, deadline)
  }

  /** Deletes a forwarded row at this time. */
  forgetAt(row: string, due: number): void {
    this.#dues.add(row, due, forgetMark)
  }

  #due(row: string, isDue: (time: number) => boolean): void {
    const { entries, onDeadline } = this.#options
    const entry = entries.get(row)
    if (entry === null || !isDue(entry.due)) return
    if (entry.sent) entries.delete(row)
    else onDeadline(row, entry)
  }
}
