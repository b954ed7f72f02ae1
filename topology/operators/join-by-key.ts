import type { Header } from '../record.ts'

/**
 * Joins any number of inputs by key. It stores the values of a key until every input has arrived, forwards them as one record, and deletes them. At a
 * key's deadline it forwards the values that have arrived and names the missing inputs. The deadline is by the wall clock and needs no further
 * record. An input that comes twice for a key counts once.
 */
export interface JoinByKey<V = unknown, R = unknown> {
  readonly op: 'join-by-key'
  /** The inputs, told apart by the topic of a record. */
  readonly inputs: readonly { readonly name: string; readonly topic: string }[]
  readonly store: string
  readonly dueStore: string
  /** Wait after the first value of a key, in ms. The key's own deadline may be earlier. */
  readonly timeoutMs: number
  /**
   * Time for which a key is remembered after its record was forwarded, so that a repeated value is ignored, in ms. Null where the log repeats no
   * record.
   */
  readonly duplicateRetentionMs: number | null
  readonly deadlineOf: (headers: readonly Header[]) => number | null
  /** Makes the value that is forwarded. `missing` is empty unless the deadline has passed. */
  combine(parts: ReadonlyMap<string, V>, missing: readonly string[]): R
  /** Called with each key whose deadline has passed. */
  readonly onMissing?: (key: string, missing: readonly string[], taskId: string) => void
}

/** A row of the join's store. */
export interface JoinEntry<V> {
  readonly parts: ReadonlyMap<string, V>
  /** Headers of the first value. The joined record gets them. */
  readonly headers: readonly Header[]
  readonly timestamp: number
  /** Epoch ms at which the key's values are forwarded incomplete or, once they are forwarded, forgotten. */
  readonly due: number
  readonly sent: boolean
}
