import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { Change } from './change.ts'
import { prefix, storeIdKey } from './keys.ts'

/**
 * Gives each store of each task a short number as its id. In the keys of the store's state, the id stands for the names of the task and the store. A
 * store gets its id in the first commit that writes to the store.
 */
export class StoreIds {
  readonly #ids = new Map<string, number>()
  #unsaved: string[] = []
  #lastId = 0

  constructor(disk: Rocks) {
    for (const [key, value] of disk.range(Uint8Array.of(prefix.storeId), Uint8Array.of(prefix.storeId + 1))) {
      const id = Buffer.from(value).readUInt32BE()
      this.#ids.set(Buffer.from(key.subarray(1)).toString(), id)
      this.#lastId = Math.max(this.#lastId, id)
    }
  }

  /** The store's id; null if no commit has written to the store. */
  find(task: string, store: string): number | null {
    return this.#ids.get(`${task}\0${store}`) ?? null
  }

  /**
   * The store's id. A new id is added to the commit's changes. After the commit, the caller must call `saved`, or `dropUnsaved` if the commit failed.
   */
  take(task: string, store: string, changes: RocksChange[]): number {
    const name = `${task}\0${store}`
    const there = this.#ids.get(name)
    if (there !== undefined) return there
    const id = ++this.#lastId
    this.#ids.set(name, id)
    this.#unsaved.push(name)
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(id)
    changes.push([storeIdKey(task, store), bytes])
    return id
  }

  /** Names of applications that have stores. */
  applications(): readonly string[] {
    return [...new Set([...this.#ids.keys()].map(applicationOf))]
  }

  /** The stores of an application, each with its partition. The partition is the part of the task's name after the application's name. */
  stores(application: string): readonly { readonly task: string; readonly partition: string; readonly store: string }[] {
    return [...this.#ids.keys()].flatMap((name) => {
      const [task = '', store = ''] = name.split('\0')
      return applicationOf(name) === application ? [{ task, partition: task.slice(application.length + 1), store }] : []
    })
  }

  /** The change that removes the stores of these applications, with the ids of the stores. */
  removal(applications: readonly string[]): { readonly ids: readonly number[]; readonly change: Change } {
    const removed = [...this.#ids].filter(([name]) => applications.includes(applicationOf(name)))
    return {
      ids: removed.map(([, id]) => id),
      change: {
        rows: removed.map(([name]) => {
          const [task = '', store = ''] = name.split('\0')
          return [storeIdKey(task, store), null]
        }),
        apply: () => {
          for (const [name] of removed) this.#ids.delete(name)
        },
      },
    }
  }

  saved(): void {
    this.#unsaved = []
  }

  dropUnsaved(): void {
    for (const name of this.#unsaved) this.#ids.delete(name)
    this.#unsaved = []
  }
}

/** The application of a task. A task's state is named `<application>/<partition>`. */
function applicationOf(name: string): string {
  const [task = ''] = name.split('\0')
  return task.slice(0, task.lastIndexOf('/'))
}
