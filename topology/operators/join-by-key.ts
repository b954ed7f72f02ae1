import type { Header } from '../record.ts'
import type { Payload } from '../swarm/payload.ts'

/**
 * The swarm's n-way join: keeps what has come for a key until every input is there, sends all of it on as one, and forgets.
 * A key whose deadline passes is sent on with what is there; what is missing is named. It fires by the wall clock, with no
 * further record. An input that comes twice for a key counts once.
 */
export interface JoinByKey {
  readonly op: 'join-by-key'
  /** Told apart by the topic that a record came from. */
  readonly inputs: readonly { readonly name: string; readonly topic: string }[]
  readonly store: string
  readonly dueStore: string
  /** After the first arrival; the request's own deadline may be earlier. */
  readonly timeoutMs: number
  /** Keys sent on are remembered this long, so that a repeated record joins nothing; null where the log repeats none. */
  readonly duplicateRetentionMs: number | null
  readonly deadlineOf: (headers: readonly Header[]) => number | null
  /** The payload that is sent on; `missing` is empty unless the deadline passed. */
  readonly combine: (parts: ReadonlyMap<string, Payload>, missing: readonly string[]) => Payload
}

/** What the join's store has under a key. */
export interface JoinEntry {
  readonly parts: ReadonlyMap<string, Payload>
  /** Of the first part: what goes on with the joined record. */
  readonly headers: readonly Header[]
  readonly timestamp: number
  /** Epoch ms when it is sent on with what is there, or, once sent, forgotten. */
  readonly due: number
  readonly sent: boolean
}
