import type { Record } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import type { TableView } from '../streams/table-view.ts'
import type { SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../streams/windows.ts'

/** An update of a table. `oldValue` is null unless a later step needs old values. */
export interface Change<V> {
  readonly newValue: V | null
  readonly oldValue: V | null
  /** True if the table has a later version of the key. Only updates of versioned tables have this field (KIP-914). */
  readonly isOutdated?: boolean
}

/** `sent` is true if a table's updates carry old values. A step that needs old values sets `sent` while the topology is built. */
export interface OldValues {
  sent: boolean
}

/**
 * The store of a table; null if the table has no store. The name is set late, because a source table gets a store only if another step looks up its
 * rows.
 */
export interface KeptIn {
  store: string | null
}

export type Forward = (record: Record<unknown, unknown>, child?: string) => void

/** A step without state: it forwards any number of records for one record. */
export interface Each {
  readonly op: 'each'
  each(record: Record<unknown, unknown>, forward: Forward): void
}

type Initialize = () => unknown
type Add = (key: unknown, value: unknown, aggregate: unknown) => unknown

export interface StreamAggregate {
  readonly op: 'stream-aggregate'
  readonly store: string
  readonly initialize: Initialize
  readonly add: Add
  readonly oldValues: OldValues
}

export interface WindowAggregate {
  readonly op: 'window-aggregate'
  readonly store: string
  readonly windows: TimeWindows | UnlimitedWindows
  readonly initialize: Initialize
  readonly add: Add
  readonly emitOnClose: boolean
  readonly oldValues: OldValues
}

export interface SlidingAggregate {
  readonly op: 'sliding-aggregate'
  readonly store: string
  readonly windows: SlidingWindows
  readonly initialize: Initialize
  readonly add: Add
  readonly emitOnClose: boolean
  readonly oldValues: OldValues
}

export interface SessionAggregate {
  readonly op: 'session-aggregate'
  readonly store: string
  readonly windows: SessionWindows
  readonly initialize: Initialize
  readonly add: Add
  readonly merge: (key: unknown, left: unknown, right: unknown) => unknown
  readonly emitOnClose: boolean
  readonly oldValues: OldValues
}

/** Turns a stream's values into a table's updates. */
export interface TableSource {
  readonly op: 'table-source'
  readonly kept: KeptIn
  readonly oldValues: OldValues
}

/** A table that is computed from another table, row by row: filter and mapValues. */
export interface TableMap {
  readonly op: 'table-map'
  readonly compute: (key: unknown, value: unknown) => unknown
  /** True for a filter. Updates of a row that was absent and stays absent are then skipped, if old values are known. */
  readonly skipsAbsent: boolean
  /** True for a versioned table. Its outdated updates are forwarded. */
  readonly versioned: boolean
  readonly kept: KeptIn
  readonly oldValues: OldValues
}

/** Splits each update in two: the old value for the old group, and the new value for the new group. */
export interface TableRegroup {
  readonly op: 'table-regroup'
  /** True for a versioned table. Its outdated updates are left out of aggregates. */
  readonly versioned: boolean
  /** Returns the group of a row; null for a row without a group. */
  readonly map: (key: unknown, value: unknown) => readonly [unknown, unknown] | null
}

export interface TableAggregate {
  readonly op: 'table-aggregate'
  readonly store: string
  /** Makes the first aggregate. Null for a reduction, whose first value is the first aggregate. */
  readonly initialize: Initialize | null
  readonly add: Add
  readonly subtract: Add
  readonly oldValues: OldValues
}

/** One side of a join of two tables. This side looks up rows of the other table. */
export interface TableJoin {
  readonly op: 'table-join'
  readonly other: TableView
  /** Emits a result for a row without a match in the other table. */
  readonly keepsThis: boolean
  /** Emits a result for a row of the other table without a match in this one. */
  readonly keepsOther: boolean
  /** True if this side's table is versioned. Outdated updates of the table join nothing. */
  readonly versioned: boolean
  readonly join: (key: unknown, thisValue: unknown, otherValue: unknown) => unknown
  readonly oldValues: OldValues
}

export interface TableMerge {
  readonly op: 'table-merge'
  readonly kept: KeptIn
  readonly oldValues: OldValues
}

export interface StreamTableJoin {
  readonly op: 'stream-table-join'
  readonly table: TableView
  readonly keyOf: (key: unknown, value: unknown) => unknown
  readonly join: (key: unknown, value: unknown, tableValue: unknown) => unknown
  readonly left: boolean
  /** The buffer in which records wait for the table for `graceMs`, in the order of their times (KIP-923). Null: each record is joined at once. */
  readonly buffer: { readonly store: string; readonly graceMs: number } | null
  /** The serde of the stream's keys; undefined if records do not wait. */
  readonly serdes: { readonly key?: AnySerde }
}

/** Stores a stream's records for the other side of its join. */
export interface JoinWindow {
  readonly op: 'join-window'
  readonly store: string
}

export interface StreamStreamJoin {
  readonly op: 'stream-stream-join'
  readonly isLeft: boolean
  /** The other record may be at most `beforeMs` older than this record, and at most `afterMs` newer. */
  readonly beforeMs: number
  readonly afterMs: number
  /** The join's window as the left side sees it. On the right side `beforeMs` and `afterMs` are swapped. */
  readonly windowBeforeMs: number
  readonly windowAfterMs: number
  readonly graceMs: number
  /** True if a record of this side gives a result even without a match. */
  readonly outer: boolean
  readonly otherStore: string
  /** The store of the records without a match so far; null for inner joins. */
  readonly outerStore: string | null
  /** Identifies the join. Both sides find their common stream time by the identity of this object. */
  readonly shared: object
  readonly join: (key: unknown, thisValue: unknown, otherValue: unknown) => unknown
}

/** A join of a stream with itself, with a single store (KIP-862). */
export interface StreamSelfJoin {
  readonly op: 'stream-self-join'
  readonly store: string
  readonly beforeMs: number
  readonly afterMs: number
  readonly retentionMs: number
  readonly join: (key: unknown, left: unknown, right: unknown) => unknown
}

export interface Suppress {
  readonly op: 'suppress'
  readonly store: string
  /** The time for which an update is held back, in ms. Null: the update is held back until its window closes. */
  readonly timeLimitMs: number | null
  readonly graceMs: number
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: 'emitEarly' | 'shutDown'
  /** Serdes of the table. The serdes measure the bytes of held updates. */
  readonly serdes: { readonly key: AnySerde; readonly value: AnySerde }
}

export type StreamsOperator =
  | Each
  | StreamAggregate
  | WindowAggregate
  | SlidingAggregate
  | SessionAggregate
  | TableSource
  | TableMap
  | TableRegroup
  | TableAggregate
  | TableJoin
  | TableMerge
  | StreamTableJoin
  | JoinWindow
  | StreamStreamJoin
  | StreamSelfJoin
  | Suppress
