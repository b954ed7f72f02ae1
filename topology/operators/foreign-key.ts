import type { AnySerde } from '../serde.ts'
import type { TableView } from '../streams/table-view.ts'

/**
 * A join of two tables by a foreign key in the left table's values (KIP-213). A left row subscribes to a right row in the right row's partition. Each
 * response is joined with the left row that subscribed:
 *
 *     left table ─ send ─► subscription topic ─► receive ─ join ─┐
 *                          right table ─ foreign-table-join ─────┴─► answer topic ─► resolve (looks the left row up) ─► result
 */

/** Tells the right side whether to store or delete the subscription, and when to respond. */
export type Instruction = 'unsubscribe' | 'unsubscribe-and-answer' | 'answer-always' | 'answer-if-found'

export interface Subscription {
  /** A hash of the left value that subscribes, 16 bytes; null if the left row was deleted. A response with another hash is stale. */
  readonly hash: Uint8Array | null
  readonly instruction: Instruction
  readonly primaryKey: unknown
  /** The partition of the left row. The response goes to this partition. */
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
  /** True if the left table is versioned. Then a value is not joined if a later version has replaced it (KIP-914). */
  readonly versioned: boolean
  /** The topic name for serdes. A serde receives this name followed by `-fk`, `-pk` or `-vh`. */
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
