import { compareIds, idOf, type StoreRow } from './store-entry.ts'

/** Merges rows in memory with rows on the disk, both in the same order. If both have a key, the row in memory counts. */
export function* mergedRows<V>(
  inMemory: readonly StoreRow<V>[],
  onDisk: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  wish: { readonly reverse: boolean; readonly length: number; valueOf(bytes: Uint8Array): V },
): IterableIterator<StoreRow<V>> {
  const { reverse, length } = wish
  const order = reverse ? (a: string, b: string) => compareIds(b, a) : compareIds
  let at = 0
  for (const [key, bytes] of onDisk) {
    if (length > 0 && key.length !== length) continue
    let shadowed = false
    const id = idOf(key)
    for (let row = inMemory[at]; row !== undefined; row = inMemory[at]) {
      const compared = order(row.id, id)
      if (compared > 0) break
      at++
      shadowed ||= compared === 0
      yield row
    }
    if (!shadowed) yield { id, value: wish.valueOf(bytes) }
  }
  for (; at < inMemory.length; at++) {
    const row = inMemory[at]
    if (row !== undefined) yield row
  }
}
