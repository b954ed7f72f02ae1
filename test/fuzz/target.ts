/**
 * One parser that gets bytes from strangers, as the fuzzer sees it. `test/fuzz/NAME-target.ts` exports the target as `target` or as its default.
 * `test/fuzz/corpus/NAME/` keeps each input that once broke it, and `npm test` tries those again. Targets run in a process of their own. An attempt
 * that takes more than ten seconds, or 256 MiB, is a finding.
 */
export interface FuzzTarget {
  /** Kebab-case; names the folder of its corpus. */
  readonly name: string
  /** Well-formed inputs, which the fuzzer mutates. */
  readonly seeds: readonly Uint8Array[]
  /** Byte strings that mean something to the parser: magic numbers, field names, limits. */
  readonly dictionary?: readonly Uint8Array[]
  /** Gives one input to the parser. Throws when a promise breaks; an input that the parser refuses with a proper error is fine. */
  attempt(input: Uint8Array): Promise<void> | void
  close?(): Promise<void>
}
