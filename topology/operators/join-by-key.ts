import type { Header } from '../record.ts'

/**
 * Joins any number of inputs by key. The join stores the values of a key until every input has arrived, forwards them as one record, and deletes
 * them. At a key's deadline the join forwards the values that have arrived, and names the missing inputs. The deadline is by the wall clock, so no
 * further record has to come. If an input comes twice for a key, the first value counts. A value that comes after its key was forwarded is ignored
 * while the key is remembered (`duplicateRetentionMs`, `lateRetentionMs`).
 */
export interface JoinByKey<V = unknown, R = unknown> {
  readonly op: 'join-by-key'
  /** The inputs. A record's topic tells which input it is. */
  readonly inputs: readonly { readonly name: string; readonly topic: string }[]
  readonly store: string
  readonly dueStore: string
  /** The longest wait after the first value of a key, in ms. The key's own deadline may be earlier. */
  readonly timeoutMs: number
  /** The time for which a forwarded key is remembered, in ms. Repeated values are ignored in this time. Null if the log repeats no records. */
  readonly duplicateRetentionMs: number | null
  /** The least time for which a key that was forwarded at its deadline is remembered, in ms. Missing values that come in this time are ignored. */
  readonly lateRetentionMs: number
  /** A part of a join's identity in addition to the key, from a record's headers. Default: the key alone identifies a join. */
  readonly partOf?: (headers: readonly Header[]) => string
  /** The headers of a key after another value has come. Default: the headers of the first value. */
  joinedHeaders?(first: readonly Header[], next: readonly Header[]): readonly Header[]
  /** The headers of the forwarded record. Default: the headers of the first value. */
  headersOf?(headers: readonly Header[], value: R): readonly Header[]
  readonly deadlineOf: (headers: readonly Header[]) => number | null
  /** Makes the value that is forwarded. `missing` is empty unless the deadline has passed. */
  combine(parts: ReadonlyMap<string, V>, missing: readonly string[]): R
  /** Called with each key whose deadline has passed. */
  readonly onMissing?: (key: string, missing: readonly string[], taskId: string) => void
}

/** A row of the join's store. */
export interface JoinEntry<V> {
  /** The key of the joined records, if the row is stored under a longer key (`partOf`). */
  readonly key?: string
  readonly parts: ReadonlyMap<string, V>
  /** The headers of the first value, which the joined record gets. */
  readonly headers: readonly Header[]
  readonly timestamp: number
  /** For an incomplete key, the time at which it is forwarded. For a forwarded key, the time at which it is forgotten. In epoch ms. */
  readonly due: number
  readonly sent: boolean
}
