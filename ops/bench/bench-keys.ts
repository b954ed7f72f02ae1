/**
 * The key of the record at a place: each key once, in no order, and then again. Inputs take turns, and each has the same keys in the same
 * order, so that what is joined finds its like. `Bench.java` has the same.
 */
export function keyAt(at: number, { keys, inputs = 1 }: { readonly keys: number; readonly inputs?: number }): Buffer {
  return Buffer.from(`key-${(Math.floor(at / inputs) * (prime % keys)) % keys}`)
}

const prime = 2_654_435_761

/** How many pairs of records on two inputs, in turns, one a millisecond, have the same key and are no more than `windowMs` apart. */
export function expectedJoin({ records, keys, windowMs }: { readonly records: number; readonly keys: number; readonly windowMs: number }): number {
  let pairs = 0
  for (let at = 0; at < records; at++) {
    // The same key was on the other input in this turn, and every `keys` turns before.
    const own = Math.floor(at / 2)
    for (let turn = own; turn >= 0; turn -= keys) {
      const other = turn * 2 + ((at + 1) % 2)
      if (at - other > windowMs) break
      if (other < at) pairs++
    }
  }
  return pairs
}
