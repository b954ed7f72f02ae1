/**
 * The swarm's n-way join: keeps what has come for a key until every input is there, sends all of it on as one, and forgets.
 * A key whose deadline passes is sent on with what is there; what is missing is named. It fires by the wall clock, with no
 * further record.
 */
export interface JoinByKey {
  readonly op: 'join-by-key'
  /** Names of the inputs, told apart by the topic that a record came from. */
  readonly inputs: readonly { readonly name: string; readonly topic: string }[]
  readonly store: string
  /** After the first arrival; a record's own deadline (`deadlineOf`) may be earlier. */
  readonly timeoutMs: number
  /** Keys sent on are remembered this long, so that a repeated record joins nothing; null where the log repeats none. */
  readonly duplicateRetentionMs: number | null
  readonly deadlineOf: (headers: readonly import('../record.ts').Header[]) => number | null
  /** What is sent on; `missing` is empty unless the deadline passed. */
  readonly combine: (key: string, parts: ReadonlyMap<string, unknown>, missing: readonly string[]) => unknown
}
