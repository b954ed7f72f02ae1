import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/**
 * This module is loaded into a measured program with `--import`. The first SIGUSR2 begins a measurement. The second SIGUSR2 ends it, and the result
 * is written to the file that BENCH_GAUGE names. With BENCH_SAMPLES=1 allocations are sampled. Sampling costs CPU time, so CPU time is measured in a
 * run without samples.
 */
export interface GaugeReading {
  /** Bytes that were allocated on the JavaScript heap of the main thread, even if they were collected meanwhile; null without samples. */
  readonly allocatedBytes: number | null
  /** The longest time for which the event loop was blocked, in ms. */
  readonly longestStopMs: number
  /** Bytes of the JavaScript heap of the main thread, and of its buffers, that are alive after a full collection at the end. */
  readonly aliveBytes: number
}

const file = process.env.BENCH_GAUGE ?? ''
const samples = process.env.BENCH_SAMPLES === '1'

if (isMainThread && file !== '') {
  const session = new Session()
  const delay = monitorEventLoopDelay({ resolution: 2 })
  let isMeasuring = false
  session.connect()
  const begin = async () => {
    if (samples) {
      const collected = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true }
      await session.post('HeapProfiler.startSampling', { samplingInterval: 4096, ...collected })
    }
    delay.reset()
    delay.enable()
  }
  const end = async () => {
    delay.disable()
    const allocatedBytes = samples ? bytesOf((await session.post('HeapProfiler.stopSampling')).profile.head) : null
    await session.post('HeapProfiler.collectGarbage')
    const { heapUsed, external } = process.memoryUsage()
    const reading: GaugeReading = { allocatedBytes, longestStopMs: delay.max / 1e6, aliveBytes: heapUsed + external }
    writeFileSync(file, JSON.stringify(reading))
  }
  process.on('SIGUSR2', () => {
    void (isMeasuring ? end() : begin())
    isMeasuring = !isMeasuring
  })
}

interface SampledNode {
  readonly selfSize: number
  readonly children: readonly SampledNode[]
}

function bytesOf({ selfSize, children }: SampledNode): number {
  return children.reduce((sum, child) => sum + bytesOf(child), selfSize)
}
