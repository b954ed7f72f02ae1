import type { ProcessHeap } from '../../connectors/system/process-heap.ts'
import type { Clock } from '../../processor/ports.ts'

/**
 * Returns memory to the operating system after a time of high load. V8 keeps the pages of a grown heap while nothing new is allocated, so the memory
 * of an idle process would never shrink. Returns a function that ends the watch.
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
/** The number of checks in a row with almost no work after which the trim may pause the thread for 100 ms. */
const looksBeforeTrim = 2
const idleShare = 0.02
/** A trim is done only if the heap has grown by this many bytes since the last trim. */
const worthBytes = 64 * 1024 * 1024
