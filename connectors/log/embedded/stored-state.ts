import type { StateDisk, StoreBytes } from '../../../processor/ports.ts'
import { Rocks } from '../../rocksdb/rocks.ts'
import { stateKey, stateKeyLength, storeIdKey } from './keys.ts'

interface StoredStateOptions {
  /** The database. A repair after a failed write replaces this object. */
  disk(): Rocks
  /** The store's number; null if no commit has written to the store. */
  numberOf(task: string, store: string): number | null
  /** False in a thread that may only read. */
  readonly mayClear: boolean
  /** Undefined in a thread that may only read. */
  readonly migrate?: NonNullable<StateDisk['migrate']>
}

/** The state as of the last commit. */
export class StoredState implements StateDisk {
  readonly migrate?: NonNullable<StateDisk['migrate']>
  readonly #options: StoredStateOptions

  constructor(options: StoredStateOptions) {
    this.#options = options
    if (options.migrate !== undefined) this.migrate = options.migrate
  }

  get liveBytes(): number {
    return this.#options.disk().liveBytes
  }

  open(task: string, store: string): StoreBytes {
    const { disk, numberOf, mayClear } = this.#options
    const clearBefore = (key: Uint8Array) => {
      const number = numberOf(task, store)
      if (number !== null) disk().clear(stateKey(number, new Uint8Array(0)), stateKey(number, key))
    }
    return {
      get: (key) => {
        const number = numberOf(task, store)
        return number === null ? null : disk().get(stateKey(number, key))
      },
      getMany: (keys) => {
        const number = numberOf(task, store)
        return number === null ? keys.map(() => null) : disk().getMany(keys.map((key) => stateKey(number, key)))
      },
      range: (from, to, options) => {
        const number = numberOf(task, store)
        return number === null ? [].values() : range(disk(), number, { from, to, reverse: options?.reverse ?? false })
      },
      ...(mayClear ? { clearBefore } : {}),
    }
  }
}

/** Opens the state for a thread that borrows the log's database (`EmbeddedLog.lend`). */
export async function openLentState(handle: bigint): Promise<StateDisk> {
  const disk = await Rocks.borrow(handle)
  const numbers = new Map<string, number>()
  return new StoredState({
    disk: () => disk,
    mayClear: false,
    numberOf: (task, store) => {
      const name = `${task}\0${store}`
      const known = numbers.get(name)
      if (known !== undefined) return known
      const bytes = disk.get(storeIdKey(task, store))
      if (bytes === null) return null
      const number = Buffer.from(bytes).readUInt32BE()
      numbers.set(name, number)
      return number
    },
  })
}

function* range(
  disk: Rocks,
  store: number,
  { from, to, reverse }: { readonly from: Uint8Array | null; readonly to: Uint8Array | null; readonly reverse: boolean },
): IterableIterator<readonly [Uint8Array, Uint8Array]> {
  const end = to === null ? stateKey(store + 1, new Uint8Array(0)) : stateKey(store, to)
  for (const [key, value] of disk.range(stateKey(store, from ?? new Uint8Array(0)), end, { reverse })) yield [key.subarray(stateKeyLength), value]
}
