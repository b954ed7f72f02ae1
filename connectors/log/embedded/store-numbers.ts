import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { Change } from './change.ts'
import { prefix, storeNumberKey } from './keys.ts'

/**
 * Gives each store of each task a short number, which replaces both names in the keys of its state. A store gets its number in the first commit that
 * writes to it.
 */
export class StoreNumbers {
  readonly #numbers = new Map<string, number>()
  #unsaved: string[] = []
  #lastNumber = 0

  constructor(disk: Rocks) {
    for (const [key, value] of disk.range(Uint8Array.of(prefix.storeNumber), Uint8Array.of(prefix.storeNumber + 1))) {
      const number = Buffer.from(value).readUInt32BE()
      this.#numbers.set(Buffer.from(key.subarray(1)).toString(), number)
      this.#lastNumber = Math.max(this.#lastNumber, number)
    }
  }

  /** The store's number; null if no commit has written to the store. */
  find(task: string, store: string): number | null {
    return this.#numbers.get(`${task}\0${store}`) ?? null
  }

  /** The store's number. A new number becomes part of the commit's changes. Afterwards `saved` or `dropUnsaved` must be called. */
  take(task: string, store: string, changes: RocksChange[]): number {
    const name = `${task}\0${store}`
    const there = this.#numbers.get(name)
    if (there !== undefined) return there
    const number = ++this.#lastNumber
    this.#numbers.set(name, number)
    this.#unsaved.push(name)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(number)
    changes.push([storeNumberKey(task, store), bytes])
    return number
  }

  /** Names of applications that have stores. */
  applications(): readonly string[] {
    return [...new Set([...this.#numbers.keys()].map(applicationOf))]
  }

  /** The removal of the stores of these applications, with their numbers. */
  removal(applications: readonly string[]): { readonly numbers: readonly number[]; readonly change: Change } {
    const removed = [...this.#numbers].filter(([name]) => applications.includes(applicationOf(name)))
    return {
      numbers: removed.map(([, number]) => number),
      change: {
        rows: removed.map(([name]) => {
          const [task = '', store = ''] = name.split('\0')
          return [storeNumberKey(task, store), null]
        }),
        apply: () => {
          for (const [name] of removed) this.#numbers.delete(name)
        },
      },
    }
  }

  saved(): void {
    this.#unsaved = []
  }

  dropUnsaved(): void {
    for (const name of this.#unsaved) this.#numbers.delete(name)
    this.#unsaved = []
  }
}

/** The application of a task. A task's state is named `<application>/<partition>`. */
function applicationOf(name: string): string {
  const [task = ''] = name.split('\0')
  return task.slice(0, task.lastIndexOf('/'))
}
