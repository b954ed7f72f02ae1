/**
 * One parser that gets bytes from strangers, as the fuzzer sees it. `test/fuzz/NAME-target.ts` exports the target as `target` or as its default.
 * `test/fuzz/corpus/NAME/` keeps each input that has broken the target before, and `npm test` tries these inputs again. Targets run in a separate
 * process. An attempt that takes more than ten seconds, or more than 256 MiB, is a finding.
 */
export interface FuzzTarget {
  /** The name in kebab-case. It is also the name of the corpus's folder. */
  readonly name: string
  /** Well-formed inputs, which the fuzzer mutates. */
  readonly seeds: readonly Uint8Array[]
  /** Byte strings with a meaning for the parser: magic numbers, field names, limits. */
  readonly dictionary?: readonly Uint8Array[]
  /**
   * Passes one input to the parser. Throws if the parser breaks a guarantee, such as a round trip. An error with which the parser refuses the input is
   * not a finding.
   */
  attempt(input: Uint8Array): Promise<void> | void
  close?(): Promise<void>
}
