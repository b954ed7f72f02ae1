import type { Clock } from '../../processor/ports.ts'

/** Where a clock takes its time from. */
export interface TimeSource {
  /** Epoch milliseconds, which a person or NTP may set anew at any moment. */
  wallMs(): number
  /** Milliseconds that only pass. */
  monotonicMs(): number
}

export interface SystemClock extends Clock {
  /** Milliseconds by which the machine's clock is ahead of this one; below 0: behind it. */
  wallAheadMs(): number
}

/**
 * The machine's clock without its jumps. It starts at the wall clock's time, goes on with the monotonic clock, and comes nearer to the wall
 * clock by at most 5 % of the time that passes. So it never goes back, and where somebody sets the machine's clock an hour ahead, no deadline, join or
 * window of this process takes that for an hour that has passed. A restart takes the new time at once.
 */
export function steadyClock({ wallMs, monotonicMs }: TimeSource): SystemClock {
  // Variables of a closure would make an object of each number that is written: this is read some fifty times a request.
  const state = { nowMs: wallMs(), readAtMs: monotonicMs(), aheadMs: 0, toldMs: 0 }
  const read = () => {
    const passedMs = monotonicMs() - state.readAtMs
    if (passedMs >= 1) {
      state.readAtMs += passedMs
      const nowMs = state.nowMs + passedMs
      state.aheadMs = wallMs() - nowMs
      const mostMs = passedMs * maxSlew
      state.nowMs = nowMs + Math.max(-mostMs, Math.min(mostMs, state.aheadMs))
    }
    // Between two looks at the wall clock nothing is corrected, so the next correction may be a little way back.
    const toldMs = Math.floor(passedMs >= 1 ? state.nowMs : state.nowMs + passedMs)
    if (toldMs > state.toldMs) state.toldMs = toldMs
    return state.toldMs
  }
  return {
    now: read,
    elapsedMs: monotonicMs,
    wallAheadMs() {
      read()
      return state.aheadMs
    },
    /** Its timers keep the process alive only while something else does. */
    after(delayMs, callback) {
      // A time that has passed is due at once.
      const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, maxTimerMs)) || 0)
      return () => clearTimeout(timer)
    },
  }
}

/** The machine's clock for everything in this JavaScript thread: there is one time in it. */
export const systemClock: SystemClock = steadyClock({ wallMs: () => Date.now(), monotonicMs: () => performance.now() })

/** NTP's own clocks slew by 0.05 %. This is more, and a deadline of 30 s is still right to 1.5 s. */
const maxSlew = 0.05
/** Node's timers overflow past 2^31 - 1 ms (24.8 days); no wait of ours is meant to be that long. */
const maxTimerMs = 2 ** 31 - 1
