import type { ListenedStore, StandbyUpdateListener, StateRestoreListener } from '../../topology/state-listeners.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ChangelogCopy } from './changelog-copy.ts'

/** The listeners of a program. An error that a listener throws is reported, and stops no work. */
export interface StateListeners {
  readonly restore: readonly StateRestoreListener[]
  readonly standby: readonly StandbyUpdateListener[]
}

/** Tells listeners about the progress of restores and of copies. */
export class StateListening {
  readonly #listeners: StateListeners
  readonly #onFailure: (error: unknown) => void
  readonly #restored = new Map<ChangelogCopy, number>()

  constructor(listeners: StateListeners, onFailure: (error: unknown) => void) {
    this.#listeners = listeners
    this.#onFailure = onFailure
  }

  restoreStarted(taskId: string, copy: ChangelogCopy, end: number): void {
    this.#restored.set(copy, 0)
    const range = { startingOffset: BigInt(copy.position), endingOffset: BigInt(end) }
    this.#tell(this.#listeners.restore, (one) => one.onRestoreStart?.({ ...storeOf(taskId, copy), ...range }))
  }

  restored(taskId: string, copy: ChangelogCopy, count: number): void {
    this.#restored.set(copy, (this.#restored.get(copy) ?? 0) + count)
    const batch = { batchEndOffset: BigInt(copy.position), numRestored: count }
    this.#tell(this.#listeners.restore, (one) => one.onBatchRestored?.({ ...storeOf(taskId, copy), ...batch }))
  }

  restoreEnded(taskId: string, copy: ChangelogCopy, how: 'restored' | 'suspended'): void {
    const event = { ...storeOf(taskId, copy), totalRestored: this.#restored.get(copy) ?? 0 }
    this.#restored.delete(copy)
    this.#tell(this.#listeners.restore, (one) => (how === 'restored' ? one.onRestoreEnd?.(event) : one.onRestoreSuspended?.(event)))
  }

  updateStarted(taskId: string, copy: ChangelogCopy): void {
    this.#tell(this.#listeners.standby, (one) => one.onUpdateStart?.({ ...storeOf(taskId, copy), startingOffset: BigInt(copy.position) }))
  }

  /** `end` is the last known end of the changelog. The changelog may have more records by now. */
  updated(taskId: string, copy: ChangelogCopy, { count, end }: { readonly count: number; readonly end: number }): void {
    const batch = { batchEndOffset: BigInt(copy.position), batchSize: count, currentEndOffset: BigInt(Math.max(end, copy.position)) }
    this.#tell(this.#listeners.standby, (one) => one.onBatchLoaded?.({ ...storeOf(taskId, copy), ...batch }))
  }

  updateEnded(taskId: string, copy: ChangelogCopy, { reason, end }: { readonly reason: 'PROMOTED' | 'MIGRATED'; readonly end: number }): void {
    const at = { storeOffset: BigInt(copy.position), currentEndOffset: BigInt(Math.max(end, copy.position)), reason }
    this.#tell(this.#listeners.standby, (one) => one.onUpdateSuspended?.({ ...storeOf(taskId, copy), ...at }))
  }

  #tell<Listener>(listeners: readonly Listener[], tell: (listener: Listener) => void): void {
    for (const listener of listeners) {
      try {
        tell(listener)
      } catch (thrown) {
        this.#onFailure(WaggleError.from('WAGGLE_HANDLER_FAILED', thrown, { next: 'Correct the listener: nothing was stopped by it.' }))
      }
    }
  }
}

function storeOf(taskId: string, { changelog: { store, place } }: ChangelogCopy): ListenedStore {
  return { store: store.name, taskId, topic: place.topic, partition: place.partition }
}
