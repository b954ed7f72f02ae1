import type { Header } from '../record.ts'
import type { Payload } from '../swarm/payload.ts'

/**
 * The swarm's n-way join. It stores the payloads of a key until every input is there, sends them on as one record, and deletes them. At a key's
 * deadline
 * it sends what is there and names the missing inputs. The deadline is by the wall clock and needs no further record. An input that comes twice for a
 * key counts once.
 */
export interface JoinByKey {
  readonly op: 'join-by-key'
  /** The inputs, told apart by the topic of a record. */
  readonly inputs: readonly { readonly name: string; readonly topic: string }[]
  readonly store: string
  readonly dueStore: string
  /** Wait after the first payload of a key, in ms. The request's own deadline may be earlier. */
  readonly timeoutMs: number
  /**
   * Time for which a key is remembered after its record was sent, so that a repeated payload is ignored, in ms. Null where the log repeats no record.
   */
  readonly duplicateRetentionMs: number | null
  readonly deadlineOf: (headers: readonly Header[]) => number | null
  /** Makes the payload that is sent on. `missing` is empty unless the deadline passed. */
  readonly combine: (parts: ReadonlyMap<string, Payload>, missing: readonly string[]) => Payload
}

/** A row of the join's store. */
export interface JoinEntry {
  readonly parts: ReadonlyMap<string, Payload>
  /** Headers of the first payload. The joined record gets them. */
  readonly headers: readonly Header[]
  readonly timestamp: number
  /** Epoch ms at which the key's payloads are sent on incomplete or, once they are sent, forgotten. */
  readonly due: number
  readonly sent: boolean
}
