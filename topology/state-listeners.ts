/** One store of one task, and the topic from which it is restored: its changelog, or the source topic that replaces the changelog. */
export interface ListenedStore {
  readonly store: string
  readonly taskId: string
  readonly topic: string
  readonly partition: number
}

/**
 * Called while stores of this process's tasks are restored from their changelogs (Kafka Streams' StateRestoreListener). `onRestoreStart` is called
 * once for a store. Then `onRestoreEnd` follows, or `onRestoreSuspended` if the task leaves the process first. An offset is that of the next record.
 */
export interface StateRestoreListener {
  onRestoreStart?(store: ListenedStore & { readonly startingOffset: bigint; readonly endingOffset: bigint }): void
  onBatchRestored?(store: ListenedStore & { readonly batchEndOffset: bigint; readonly numRestored: number }): void
  onRestoreEnd?(store: ListenedStore & { readonly totalRestored: number }): void
  onRestoreSuspended?(store: ListenedStore & { readonly totalRestored: number }): void
}

/** Called while copies of other processes' tasks are kept up to date (KIP-988). `currentEndOffset` may be slightly old. */
export interface StandbyUpdateListener {
  onUpdateStart?(store: ListenedStore & { readonly startingOffset: bigint }): void
  onBatchLoaded?(store: ListenedStore & { readonly batchEndOffset: bigint; readonly batchSize: number; readonly currentEndOffset: bigint }): void
  /**
   * Called when this process stops keeping the copy. `reason` is `PROMOTED` if the task now runs here, and `MIGRATED` if the copy has moved to another
   * process or the application stops.
   */
  onUpdateSuspended?(
    store: ListenedStore & { readonly storeOffset: bigint; readonly currentEndOffset: bigint; readonly reason: 'PROMOTED' | 'MIGRATED' },
  ): void
}
