import { doubleBytes } from '../../topology/number-bytes.ts'
import type { StoreChange, TaskDisk } from '../ports.ts'

/**
 * Writes the numbers that stores keep beside their rows (stream time, a sequence) to the disk, into a store for these numbers only. A task's position
 * contains these numbers too. The disk's numbers serve copies that are behind the position, and state that another program has written.
 */
export const keptNumbers = {
  read(disk: TaskDisk): ReadonlyMap<string, number> {
    return new Map([...disk.store(name).range(null, null)].map(([key, value]) => [Buffer.from(key).toString(), Buffer.from(value).readDoubleBE(0)]))
  },

  change(numbers: Iterable<readonly [name: string, value: number, ...more: readonly unknown[]]>): Pick<StoreChange, 'store' | 'entries'> {
    return { store: name, entries: [...numbers].map(([of, value]) => [Buffer.from(of), doubleBytes(value)] as const) }
  },

  forget(disk: TaskDisk, store: string): void {
    const entries = [...keptNumbers.read(disk).keys()].filter((of) => ownerOf(of) === store).map((of) => [Buffer.from(of), null] as const)
    if (entries.length > 0) disk.write({ changes: [{ store: name, entries }], offsets: [] })
  },
}

const name = '.kept'

/** The name of the store that keeps a number: the number's name without `.time` or `.sequence`. */
function ownerOf(number: string): string {
  return number.slice(0, number.lastIndexOf('.'))
}
