import type { Clock } from '../../processor/ports.ts'
import type { ListenedStore, StateRestoreListener } from '../../topology/state-listeners.ts'

/** Reports stores that take a while to restore from their changelogs: at the start, every few seconds, and at the end. */
export function restoreProgress(clock: Clock, say: (line: string) => void): StateRestoreListener {
  const open = new Map<string, { readonly to: bigint; readonly of: bigint; readonly since: number; saidAt: number; restored: number }>()
  return {
    onRestoreStart(store) {
      const { startingOffset, endingOffset } = store
      const now = clock.elapsedMs()
      if (endingOffset - startingOffset < minReportedOffsets) return
      open.set(nameOf(store), { to: endingOffset, of: endingOffset - startingOffset, since: now, saidAt: now, restored: 0 })
      say(`${wordsOf(store)} is being restored: ${endingOffset - startingOffset} offsets to read`)
    },
    onBatchRestored(store) {
      const one = open.get(nameOf(store))
      if (one === undefined) return
      one.restored += store.numRestored
      const now = clock.elapsedMs()
      if (now - one.saidAt < reportIntervalMs) return
      one.saidAt = now
      const percent = 100n - ((one.to - store.batchEndOffset) * 100n) / one.of
      say(`${wordsOf(store)} is restored to ${percent} %: ${one.restored} records in ${seconds(now - one.since)}`)
    },
    onRestoreEnd(store) {
      const one = open.get(nameOf(store))
      if (open.delete(nameOf(store)) && one !== undefined) {
        say(`${wordsOf(store)} is restored: ${store.totalRestored} records in ${seconds(clock.elapsedMs() - one.since)}`)
      }
    },
    onRestoreSuspended(store) {
      if (open.delete(nameOf(store))) say(`${wordsOf(store)} is not restored any further here, after ${store.totalRestored} records`)
    },
  }
}

/** A restore of fewer offsets takes only a moment, and is not reported. */
const minReportedOffsets = 10_000n
const reportIntervalMs = 5000

function nameOf({ store, partition }: ListenedStore): string {
  return `${partition} ${store}`
}

function wordsOf({ store, taskId }: ListenedStore): string {
  return `The store ${store} of task ${taskId}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
