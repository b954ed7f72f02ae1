import type { AnySerde } from '../serde.ts'
import type { TableView } from '../streams/table-view.ts'

/**
 * A join of tables by a key that lies in the left one's value (KIP-213). The left row subscribes, where the foreign key lives, to the
 * right row; each answer is joined with the left row that it was for:
 *
 *     left table ─ send ─► subscription topic ─► receive ─ join ─┐
 *                          right table ─ foreign-table-join ─────┴─► answer topic ─► resolve (looks the left row up) ─► result
 */

/** What becomes of a subscription, and what is answered. */
export type Instruction = 'unsubscribe' | 'unsubscribe-and-answer' | 'answer-always' | 'answer-if-found'

export interface Subscription {
  /** Of the left value that asks, 16 bytes; null where the left row was deleted. An answer to another one is stale. */
  readonly hash: Uint8Array | null
  readonly instruction: Instruction
  readonly primaryKey: unknown
  /** The answer goes back to it. */
  readonly primaryPartition: number
}

export interface SubscriptionResponse {
  readonly hash: Uint8Array | null
  readonly foreignValue: unknown
  readonly primaryPartition: number
}

export interface ForeignKeySend {
  readonly op: 'foreign-key-send'
  readonly foreignKey: (value: unknown, key: unknown) => unknown
  readonly left: boolean
  /** Of a versioned table: what a later version has replaced already is not for a join (KIP-914). */
  readonly versioned: boolean
  /** Serdes that look at topics see this one, with `-fk`, `-pk` and `-vh` behind it. */
  readonly topic: string
  readonly serdes: { readonly foreignKey: AnySerde; readonly value: AnySerde }
}

export interface SubscriptionReceive {
  readonly op: 'subscription-receive'
  readonly store: string
  readonly topic: string
  readonly serdes: { readonly foreignKey: AnySerde; readonly primaryKey: AnySerde }
}

export interface SubscriptionJoin {
  readonly op: 'subscription-join'
  readonly foreignTable: TableView
}

export interface ForeignTableJoin {
  readonly op: 'foreign-table-join'
  readonly store: string
  readonly versioned: boolean
  readonly topic: string
  readonly serdes: { readonly foreignKey: AnySerde }
}

export interface SubscriptionResolve {
  readonly op: 'subscription-resolve'
  readonly table: TableView
  readonly join: (key: unknown, value: unknown, foreignValue: unknown) => unknown
  readonly left: boolean
  readonly topic: string
  readonly serdes: { readonly value: AnySerde }
}

export type ForeignKeyOperator = ForeignKeySend | SubscriptionReceive | SubscriptionJoin | ForeignTableJoin | SubscriptionResolve
