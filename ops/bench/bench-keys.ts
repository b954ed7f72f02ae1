/**
 * The key of the record at position `at`. All keys occur once, in mixed order, before the first key occurs again. Records alternate between the
 * inputs. All inputs have the same keys in the same order, so that records of a join find a partner. `Bench.java` has the same function.
 */
export function keyAt(at: number, { keys, inputs = 1 }: { readonly keys: number; readonly inputs?: number }): Buffer {
  return Buffer.from(`key-${(Math.floor(at / inputs) * (prime % keys)) % keys}`)
}

const prime = 2_654_435_761

/**
 * The number of pairs that a join finds. Records alternate between the inputs, one record a millisecond. A pair is two records with the same key and
 * at most `windowMs` between them.
 */
export function expectedJoin({ records, keys, windowMs }: { readonly records: number; readonly keys: number; readonly windowMs: number }): number {
  let pairs = 0
  for (let at = 0; at < records; at++) {
    // A round is one record of each input. The other input has the same key in this round, and in every `keys`th round before it.
    const own = Math.floor(at / 2)
    for (let earlier = own; earlier >= 0; earlier -= keys) {
      const other = earlier * 2 + ((at + 1) % 2)
      if (at - other > windowMs) break
      if (other < at) pairs++
    }
  }
  return pairs
}
