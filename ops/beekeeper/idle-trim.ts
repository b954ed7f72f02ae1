import type { ProcessHeap } from '../../connectors/system/process-heap.ts'
import type { Clock } from '../../processor/ports.ts'

/**
 * Gives memory back after overload. V8 keeps the pages of a heap that has grown while nothing new is allocated, so an idle process would
 * keep its peak for ever. Returns a function that ends the watch.
 */
export function trimWhenIdle(clock: Pick<Clock, 'after'>, heap: ProcessHeap): () => void {
  let leastBytes = heap.totalBytes
  let idleLooks = 0
  const look = () => {
    idleLooks = heap.busyShare() < idleShare ? idleLooks + 1 : 0
    if (idleLooks >= looksBeforeTrim && heap.totalBytes > leastBytes + worthBytes) {
      heap.trim()
      leastBytes = heap.totalBytes
    }
    leastBytes = Math.min(leastBytes, heap.totalBytes)
    cancel = clock.after(lookEveryMs, look)
  }
  heap.busyShare()
  let cancel = clock.after(lookEveryMs, look)
  return () => cancel()
}

const lookEveryMs = 10_000
/** A stop of 100 ms is nothing to a process that has had next to no work for this long. */
const looksBeforeTrim = 2
const idleShare = 0.02
/** Growth of the heap since the last trim that is worth the stop. */
const worthBytes = 64 * 1024 * 1024
