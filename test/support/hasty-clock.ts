import type { Clock } from '../../processor/ports.ts'

/** A clock that runs this many times faster than the machine's clock. Waits for files and sockets need a clock that moves by itself. */
export function hastyClock(factor: number): Clock {
  const start = performance.now()
  const elapsedMs = () => (performance.now() - start) * factor
  return {
    now: () => 1_700_000_000_000 + Math.floor(elapsedMs()),
    elapsedMs,
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs / factor)
      return () => clearTimeout(timer)
    },
  }
}
