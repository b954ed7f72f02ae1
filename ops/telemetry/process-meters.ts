import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ownPackage } from '../../topology/own-package.ts'
import type { Family } from './exposition.ts'
import { family, single } from './metric-table.ts'

/** Metrics of the process under the names that Prometheus' client libraries use. */
export class ProcessMeters {
  readonly #startedAtMs: number
  readonly #lag: ReturnType<typeof monitorEventLoopDelay>
  #lagSinceMs = performance.now()

  /** `startedAtMs` is in epoch ms. */
  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs
    this.#lag = monitorEventLoopDelay({ resolution: lagResolutionMs })
    this.#lag.enable()
  }

  close(): void {
    this.#lag.disable()
  }

  get families(): readonly Family[] {
    const { user, system } = process.cpuUsage()
    const { heapUsed, heapTotal, external } = process.memoryUsage()
    const files = openFiles()
    return [
      family('waggle_build_info', [{ labels: { version: ownPackage.version, node: process.versions.node }, value: 1 }]),
      single('process_cpu_seconds_total', (user + system) / 1e6),
      single('process_resident_memory_bytes', process.memoryUsage.rss()),
      single('process_start_time_seconds', this.#startedAtMs / 1000),
      ...(files === null ? [] : [single('process_open_fds', files)]),
      this.#lagFamily(),
      single('nodejs_heap_size_used_bytes', heapUsed),
      single('nodejs_heap_size_total_bytes', heapTotal),
      single('nodejs_external_memory_bytes', external),
    ]
  }

  /** The lag within the last minute. Several readers share the window, so a reading does not end it. */
  #lagFamily(): Family {
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - lagResolutionMs / 1000)
    const samples =
      this.#lag.count === 0 ? [] : quantiles.map((one) => ({ labels: { quantile: String(one) }, value: seconds(this.#lag.percentile(one * 100)) }))
    if (performance.now() - this.#lagSinceMs > lagWindowMs) {
      this.#lag.reset()
      this.#lagSinceMs = performance.now()
    }
    return family('nodejs_eventloop_lag_seconds', samples)
  }
}

function openFiles(): number | null {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return null
  }
}

const quantiles = [0.5, 0.99, 1]
const lagResolutionMs = 50
const lagWindowMs = 60_000
