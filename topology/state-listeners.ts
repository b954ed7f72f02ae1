/** One store of one task, with the changelog (or the topic that stands for it) that it is read from. */
export interface ListenedStore {
  readonly store: string
  readonly taskId: string
  readonly topic: string
  readonly partition: number
}

/**
 * Told how stores of tasks that run here come to where their changelogs are (Kafka Streams' StateRestoreListener): one
 * `onRestoreStart` a store, and then either its end or, where the task goes before that, `onRestoreSuspended`. Offsets are those of the next record.
 */
export interface StateRestoreListener {
  onRestoreStart?(store: ListenedStore & { readonly startingOffset: bigint; readonly endingOffset: bigint }): void
  onBatchRestored?(store: ListenedStore & { readonly batchEndOffset: bigint; readonly numRestored: number }): void
  onRestoreEnd?(store: ListenedStore & { readonly totalRestored: number }): void
  onRestoreSuspended?(store: ListenedStore & { readonly totalRestored: number }): void
}

/** Told how copies of other processes' tasks are kept up to date (KIP-988). `currentEndOffset` is as of a moment ago. */
export interface StandbyUpdateListener {
  onUpdateStart?(store: ListenedStore & { readonly startingOffset: bigint }): void
  onBatchLoaded?(store: ListenedStore & { readonly batchEndOffset: bigint; readonly batchSize: number; readonly currentEndOffset: bigint }): void
  /** `PROMOTED`: the task runs here now. */
  onUpdateSuspended?(
    store: ListenedStore & { readonly storeOffset: bigint; readonly currentEndOffset: bigint; readonly reason: 'PROMOTED' | 'MIGRATED' },
  ): void
}
