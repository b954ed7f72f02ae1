import type { Record } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import type { TableView } from '../streams/table-view.ts'
import type { SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../streams/windows.ts'

/** An update of a table on its way through a topology. `oldValue` is null unless somebody below asked for old values. */
export interface Change<V> {
  readonly newValue: V | null
  readonly oldValue: V | null
  /** A later version of its key is there already: only versioned tables say so (KIP-914). */
  readonly isOutdated?: boolean
}

/** Whether a table's updates carry what was there before. Whoever needs it switches it on while the topology is being built. */
export interface OldValues {
  sent: boolean
}

/** Where a table is kept: decided late, since a source is only kept for somebody who looks things up in it. */
export interface KeptIn {
  store: string | null
}

export type Forward = (record: Record<unknown, unknown>, child?: string) => void

/** A step without memory: what follows from one record, at once. */
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

/** A stream of values as a table's updates. */
export interface TableSource {
  readonly op: 'table-source'
  readonly kept: KeptIn
  readonly oldValues: OldValues
}

/** A table computed from another, key by key: filter and mapValues. */
export interface TableMap {
  readonly op: 'table-map'
  readonly compute: (key: unknown, value: unknown) => unknown
  /** What was and is absent is not passed on, where that can be told (a filter). */
  readonly skipsAbsent: boolean
  /** What is outdated in a versioned table passes as it is. */
  readonly versioned: boolean
  readonly kept: KeptIn
  readonly oldValues: OldValues
}

/** Each update as what leaves its old group and what joins its new one. */
export interface TableRegroup {
  readonly op: 'table-regroup'
  /** Of a versioned table: what is outdated is in no aggregate. */
  readonly versioned: boolean
  readonly map: (key: unknown, value: unknown) => readonly [unknown, unknown]
}

export interface TableAggregate {
  readonly op: 'table-aggregate'
  readonly store: string
  /** Null: a reduction, whose first value is the aggregate. */
  readonly initialize: Initialize | null
  readonly add: Add
  readonly subtract: Add
  readonly oldValues: OldValues
}

/** One side of a join of two tables: looks the other one up. */
export interface TableJoin {
  readonly op: 'table-join'
  readonly other: TableView
  /** Emits where the other side has nothing. */
  readonly keepsThis: boolean
  /** Emits where this side has nothing. */
  readonly keepsOther: boolean
  /** This side's table is versioned: what is outdated joins nothing. */
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
  /** Records wait this long for the table to catch up, in the order of their times (KIP-923). */
  readonly buffer: { readonly store: string; readonly graceMs: number } | null
  /** Of the stream's keys, where records wait. */
  readonly serdes: { readonly key?: AnySerde }
}

/** Keeps a stream's records for the other side of its join. */
export interface JoinWindow {
  readonly op: 'join-window'
  readonly store: string
}

export interface StreamStreamJoin {
  readonly op: 'stream-stream-join'
  readonly isLeft: boolean
  /** How far the other record may lie before and after this one. */
  readonly beforeMs: number
  readonly afterMs: number
  /** Of the windows as the user gave them: the left side's view. */
  readonly windowBeforeMs: number
  readonly windowAfterMs: number
  readonly graceMs: number
  /** What this side has and the other has not comes out too. */
  readonly outer: boolean
  readonly otherStore: string
  /** Where records wait that nothing has joined yet; null for inner joins. */
  readonly outerStore: string | null
  /** Both sides of one join share what they know of time; the object names the join. */
  readonly shared: object
  readonly join: (key: unknown, thisValue: unknown, otherValue: unknown) => unknown
}

/** A stream joined with itself, from one store (KIP-862). */
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
  /** Null: until the window closes. */
  readonly timeLimitMs: number | null
  readonly graceMs: number
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: 'emitEarly' | 'shutDown'
  /** Of the table: what its bytes are counted with. */
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
