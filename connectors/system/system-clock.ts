import type { Clock } from '../../processor/ports.ts'

/** The machine's clock. Its timers keep the process alive only while something else does. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, maxTimerMs))
    return () => clearTimeout(timer)
  },
}

/** Node's timers overflow past 2^31 - 1 ms (24.8 days); no wait of ours is meant to be that long. */
const maxTimerMs = 2 ** 31 - 1
