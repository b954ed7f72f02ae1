import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The JavaScript heap of this thread, and the load of the thread. */
export interface ProcessHeap {
  /** The bytes that the heap has taken from the operating system. */
  readonly totalBytes: number
  /** The share of the time since the last call in which the thread was busy, from 0 to 1. */
  busyShare(): number
  /** Collects all garbage and gives free pages back to the operating system. The thread stops for about 100 ms. */
  trim(): void
}

export function processHeap(): ProcessHeap {
  let last = performance.eventLoopUtilization()
  return {
    get totalBytes() {
      return process.memoryUsage().heapTotal
    },
    busyShare() {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, last)
      last = now
      return utilization
    },
    trim: () => collector()({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  }
}

type Collector = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void

/** Makes the collector. After this flag is set, each new context gets a function `gc`, so no flag on the command line is needed. */
function collector(): Collector {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collector
}
