import type { StateStore } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The global stores of one process. Their thread sets them, and every task reads them. */
export class GlobalStores {
  readonly #stores = new Map<string, StateStore>()
  readonly #views = new Map<string, StateStore>()

  set(store: StateStore): void {
    this.#stores.set(store.name, store)
    if (!this.#views.has(store.name)) this.#views.set(store.name, this.#view(store.name))
  }

  get names(): readonly string[] {
    return [...this.#views.keys()]
  }

  /** Read-only views of the stores that are open now. */
  get views(): ReadonlyMap<string, StateStore> {
    return this.#views
  }

  #view(name: string): StateStore {
    return new Proxy<StateStore>({} as StateStore, {
      get: (_, property) => {
        if (writes.has(property)) throw readOnly(name)
        const store = this.#stores.get(name)
        const value: unknown = store === undefined ? undefined : Reflect.get(store, property, store)
        return typeof value === 'function' ? value.bind(store) : value
      },
    })
  }
}

const writes: ReadonlySet<string | symbol> = new Set(['put', 'putAll', 'putIfAbsent', 'delete'])

function readOnly(name: string): WaggleError {
  return new WaggleError('WAGGLE_STORE_READ_ONLY', {
    message: `The global store ${name} is written by a processor that is not its own`,
    next: 'Send the change to the topic of the store: every process has to see the change.',
  })
}
