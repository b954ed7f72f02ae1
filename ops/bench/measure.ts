import { readFileSync } from 'node:fs'
import { systemClock } from '../../connectors/system/system-clock.ts'

export interface Measure {
  readonly seconds: number
  readonly cpuMicros: number
}

/** Starts a measurement. The returned function gives the time and the CPU time of this process since the start. */
export function measure(): () => Measure {
  const cpu = process.cpuUsage()
  const startedMs = systemClock.elapsedMs()
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    return { seconds: (systemClock.elapsedMs() - startedMs) / 1000, cpuMicros: user + system }
  }
}

/** The highest resident memory of this process so far, in bytes (Linux; NaN elsewhere). */
export function peakBytes(): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}
