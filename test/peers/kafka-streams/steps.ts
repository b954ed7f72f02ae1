/** A step of a program over streams and tables of text, as data. The same program is built here and in Java. `of` and `other` are earlier steps. */
export type Step =
  | { readonly op: 'stream' | 'table' | 'globalTable'; readonly topic: string }
  | { readonly op: 'streams'; readonly topics: readonly string[] }
  | {
      readonly op: 'filter' | 'filterNot' | 'mapValues' | 'flatMapValues' | 'flatMap' | 'selectKey' | 'map' | 'repartition' | 'toTable' | 'toStream'
      readonly of: number
    }
  | { readonly op: 'versionedTable'; readonly topic: string; readonly history: number }
  | { readonly op: 'merge'; readonly of: number; readonly other: number }
  /** Splits a stream in two. Each of the two steps `branch` is one of its branches. */
  | { readonly op: 'split'; readonly of: number }
  | { readonly op: 'branch'; readonly of: number; readonly isDefault: boolean }
  | { readonly op: 'process'; readonly of: number; readonly how: 'rekey' | 'count' | 'streamTime' | 'clock' }
  | { readonly op: 'processValues'; readonly of: number; readonly how: 'mark' | 'count' }
  | {
      readonly op: 'aggregate'
      readonly of: number
      readonly by: 'key' | 'value'
      readonly fn: Fn
      readonly windows: Windows | null
      readonly onClose: boolean
    }
  | { readonly op: 'cogroup'; readonly of: number; readonly other: number; readonly windows: Windows | null }
  | { readonly op: 'tableAggregate'; readonly of: number; readonly fn: Fn }
  | { readonly op: 'tableJoin'; readonly of: number; readonly other: number; readonly kind: 'inner' | 'left' | 'outer' }
  | {
      readonly op: 'streamTableJoin'
      readonly of: number
      readonly other: number
      readonly kind: 'inner' | 'left'
      readonly grace: number | null
    }
  | { readonly op: 'globalJoin' | 'foreignKeyJoin'; readonly of: number; readonly other: number; readonly kind: 'inner' | 'left' }
  | {
      readonly op: 'streamJoin'
      readonly of: number
      readonly other: number
      readonly kind: 'inner' | 'left' | 'outer'
      readonly before: number
      readonly after: number
      readonly grace: number
    }
  | {
      readonly op: 'suppress'
      readonly of: number
      readonly limit: number | null
      /** The most records; null if the limit is in bytes. */
      readonly maxRecords: number | null
      readonly maxBytes?: number
      readonly shutDown?: boolean
    }
  | { readonly op: 'to'; readonly of: number; readonly topic: string }

export type Fn = 'count' | 'reduce' | 'aggregate'

export interface Windows {
  readonly kind: 'time' | 'sliding' | 'session' | 'unlimited'
  /** The size of time windows, the time difference of sliding windows, or the gap of sessions, in ms. */
  readonly size: number
  readonly advance: number
  readonly grace: number
}

export interface InputRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly (readonly [key: string, value: string])[]
  /** The time by which the wall clock advances before the record, in ms. */
  readonly clockMs: number
  /**
   * True if the tasks are killed after this record and start again. Waggle's tasks are always killed, and Kafka Streams' tasks only if
   * `Example.restarts` is set.
   */
  readonly crash: boolean
}

export interface Example {
  readonly optimization: 'none' | 'all'
  /** True if updates of tables wait for a commit. */
  readonly cached: boolean
  /** True if a record's time also depends on its value. */
  readonly shifts: boolean
  /** The number of partitions of the input topics. Kafka Streams gets one test driver for each partition, because its driver has only one. */
  readonly partitions: number
  /**
   * True if Kafka Streams' tasks are killed too, and get their rows back. Otherwise they go on, because a restart of Waggle's tasks must change
   * nothing.
   */
  readonly restarts: boolean
  readonly steps: readonly Step[]
  readonly records: readonly InputRecord[]
}

/** The records of each topic: key and value in hex, the timestamp, and the headers. */
export type Outputs = {
  readonly [topic: string]: readonly (readonly [key: string | null, value: string | null, timestamp: number, headers: readonly string[]])[]
}
