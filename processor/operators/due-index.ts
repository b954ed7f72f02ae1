import type { Cancellable, ProcessorContext } from '../../topology/processor-api.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'

/**
 * Keys in the order of their due times. The index has a store of its own, so a restart reads only its first rows. One wall-clock schedule is set, for
 * the earliest due time.
 */
export class DueIndex {
  readonly #store: KeyValueStore<string, string>
  readonly #context: ProcessorContext<never, never>
  readonly #fire: DueListener
  #next = Number.POSITIVE_INFINITY
  /** No key is due before this time. A scan starts here and so avoids deleted rows. */
  #floor = 0
  #timer: Cancellable | null = null

  constructor(store: KeyValueStore<string, string>, context: ProcessorContext<never, never>, fire: DueListener) {
    this.#store = store
    this.#context = context
    this.#fire = fire
    this.#lookAhead()
  }

  /** Adds a key. `mark` is the value of its row in the index. */
  add(key: string, due: number, mark = ''): void {
    this.#store.put(dueKey(due, key), mark)
    if (due < this.#floor) this.#floor = due
    if (due < this.#next) this.#wakeAt(due)
  }

  remove(key: string, due: number): void {
    this.#store.put(dueKey(due, key), null)
  }

  /** The key with the earliest due time; null without keys. */
  first(): { readonly key: string; readonly due: number } | null {
    for (const [row] of this.#store.range(dueKey(this.#floor, ''), null))
      return { key: row.slice(timeDigits), due: Number.parseInt(row.slice(0, timeDigits), 16) }
    return null
  }

  #fireDue(now: number): void {
    const due: [string, number, string][] = []
    for (const [row, mark] of this.#store.range(dueKey(this.#floor, ''), dueKey(now + 1, ''))) {
      due.push([row.slice(timeDigits), Number.parseInt(row.slice(0, timeDigits), 16), mark])
      if (due.length === maxAtOnce) break
    }
    try {
      for (const [key, at, mark] of due) {
        this.#floor = at
        this.#store.put(dueKey(at, key), null)
        this.#fire(key, (time) => indexed(time) === at, { at, mark })
      }
    } finally {
      // The next schedule is set even after a failure, so that one failing key does not delay the others.
      this.#lookAhead()
    }
  }

  #lookAhead(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#next = Number.POSITIVE_INFINITY
    for (const [row] of this.#store.range(dueKey(this.#floor, ''), null)) {
      const due = Number.parseInt(row.slice(0, timeDigits), 16)
      if (Number.isNaN(due)) {
        // No index writes a row without a time. Another program has written this row into the changelog.
        this.#store.put(row, null)
        continue
      }
      this.#wakeAt(due)
      return
    }
  }

  #wakeAt(due: number): void {
    this.#timer?.cancel()
    this.#next = due
    const delayMs = Math.max(1, due - this.#context.currentSystemTime)
    this.#timer = this.#context.schedule(delayMs, 'WALL_CLOCK_TIME', (now) => this.#fireDue(now))
  }
}

/**
 * Called with a key whose indexed time has come. The listener must pass the key's own due time to `isDue`, which is false if the indexed time is an old
 * one that a crash left behind.
 */
type DueListener = (key: string, isDue: (time: number) => boolean, row: { readonly at: number; readonly mark: string }) => void

/** The mark of a row whose due time is the time at which a finished key is forgotten. */
export const forgetMark = 'forget'

const timeDigits = 12
const latest = 2 ** 48 - 1
/** The most keys that fire in one punctuation. The other keys fire in the next punctuation, after records that wait. */
const maxAtOnce = 1000

/** The key of a row: the due time in epoch ms in hexadecimal, so that bytes sort as times (until the year 10889), and then the key. */
export function dueKey(due: number, key: string): string {
  return indexed(due).toString(16).padStart(timeDigits, '0') + key
}

/** Rounds up to whole milliseconds, so that no key fires too early. */
function indexed(due: number): number {
  return Math.min(latest, Math.max(0, Math.ceil(due)))
}
