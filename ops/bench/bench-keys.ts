/**
 * The key of the record at position `at`. All keys occur once, in mixed order, before the first one occurs again. Inputs take turns and have the same keys
 * in the same order, so that joined records find a partner. `Bench.java` has the same function.
 */
export function keyAt(at: number, { keys, inputs = 1 }: { readonly keys: number; readonly inputs?: number }): Buffer {
  return Buffer.from(`key-${(Math.floor(at / inputs) * (prime % keys)) % keys}`)
}

const prime = 2_654_435_761

/**
 * The number of pairs that a join finds. The inputs take turns, one record a millisecond. A pair has the same key, and at most `windowMs` between its
 * records.
 */
export function expectedJoin({ records, keys, windowMs }: { readonly records: number; readonly keys: number; readonly windowMs: number }): number {
  let pairs = 0
  for (let at = 0; at < records; at++) {
    // The other input has the same key in this turn, and in every `keys`th turn before it.
    const own = Math.floor(at / 2)
    for (let turn = own; turn >= 0; turn -= keys) {
      const other = turn * 2 + ((at + 1) % 2)
      if (at - other > windowMs) break
      if (other < at) pairs++
    }
  }
  return pairs
}
