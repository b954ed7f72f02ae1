import type { Cancellable, ProcessorContext } from '../../topology/processor-api.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'

/**
 * Keys in the order of the time at which something is due for them, kept in a store of their own so that a restart reads
 * only the first of them. One wall-clock schedule stands for the earliest; with nothing due, no time is spent.
 */
export class DueIndex {
  readonly #store: KeyValueStore<string, string>
  readonly #context: ProcessorContext<never, never>
  readonly #fire: (key: string, isDue: (time: number) => boolean) => void
  #next = Number.POSITIVE_INFINITY
  /** The time before which no key is due. A scan that starts here does not step over deleted rows. */
  #floor = 0
  #timer: Cancellable | null = null

  /** `isDue` tells whether a time that was added is the one that has come: a crash may have left others of the same key behind. */
  constructor(
    store: KeyValueStore<string, string>,
    context: ProcessorContext<never, never>,
    fire: (key: string, isDue: (time: number) => boolean) => void,
  ) {
    this.#store = store
    this.#context = context
    this.#fire = fire
    this.#lookAhead()
  }

  add(key: string, due: number): void {
    this.#store.put(dueKey(due, key), '')
    if (due < this.#floor) this.#floor = due
    if (due < this.#next) this.#wakeAt(due)
  }

  remove(key: string, due: number): void {
    this.#store.put(dueKey(due, key), null)
  }

  #fireDue(now: number): void {
    const due: [string, number][] = []
    for (const [row] of this.#store.range(dueKey(this.#floor, ''), dueKey(now + 1, ''))) {
      due.push([row.slice(timeDigits), Number.parseInt(row.slice(0, timeDigits), 16)])
      if (due.length === maxAtOnce) break
    }
    try {
      for (const [key, at] of due) {
        this.#floor = at
        this.#store.put(dueKey(at, key), null)
        this.#fire(key, (time) => indexed(time) === at)
      }
    } finally {
      // One key that fails does not keep the others from their times.
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
        // No index writes such a row: another writer of the changelog has written it.
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

const timeDigits = 12
const latest = 2 ** 48 - 1
/** A tick gives way to records; what is left fires in the next one. */
const maxAtOnce = 1000

/** Epoch ms in hexadecimal, so that the order of the bytes is the order of time (good until the year 10889). */
function dueKey(due: number, key: string): string {
  return indexed(due).toString(16).padStart(timeDigits, '0') + key
}

/** Whole milliseconds, none of them too early. */
function indexed(due: number): number {
  return Math.min(latest, Math.max(0, Math.ceil(due)))
}
