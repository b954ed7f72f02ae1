import type { Clock } from '../../processor/ports.ts'

/** The clocks that a `SystemClock` reads. */
export interface TimeSource {
  /** Epoch milliseconds. A person or NTP may set this clock at any moment. */
  wallMs(): number
  /** Milliseconds of a clock that never jumps. */
  monotonicMs(): number
}

export interface SystemClock extends Clock {
  /** Milliseconds by which the machine's clock is ahead of this one. Negative: behind. */
  wallAheadMs(): number
}

/**
 * The machine's clock without its jumps. It starts at the wall clock's time, runs with the monotonic clock, and approaches the wall clock by at most 5 % of
 * the time that passes. So it never goes back, and setting the machine's clock ahead by an hour ends no deadline, join or window early. A restart takes
 * the new time at once.
 */
export function steadyClock({ wallMs, monotonicMs }: TimeSource): SystemClock {
  // Numbers in closure variables would allocate an object at each write, and the clock is read some fifty times a request.
  const state = { nowMs: wallMs(), readAtMs: monotonicMs(), toldMs: 0 }
  const read = () => {
    const passedMs = monotonicMs() - state.readAtMs
    if (passedMs >= 1) {
      state.readAtMs += passedMs
      const nowMs = state.nowMs + passedMs
      const mostMs = passedMs * maxSlew
      state.nowMs = nowMs + Math.max(-mostMs, Math.min(mostMs, wallMs() - nowMs))
    }
    // Reads within one millisecond are not corrected. The next correction may go back a little, so the returned time is held.
    const toldMs = Math.floor(passedMs >= 1 ? state.nowMs : state.nowMs + passedMs)
    if (toldMs > state.toldMs) state.toldMs = toldMs
    return state.toldMs
  }
  return {
    now: read,
    elapsedMs: monotonicMs,
    wallAheadMs() {
      read()
      return wallMs() - state.nowMs
    },
    /** A timer keeps the process alive only while something else does. */
    after(delayMs, callback) {
      // A time in the past is due at once.
      const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, maxTimerMs)) || 0)
      return () => clearTimeout(timer)
    },
  }
}

/** The one clock of this JavaScript thread. */
export const systemClock: SystemClock = steadyClock({ wallMs: () => Date.now(), monotonicMs: () => performance.now() })

/** The largest correction as a share of the time that passes. NTP slews by 0.05 %. With this value a deadline of 30 s is at most 1.5 s off. */
const maxSlew = 0.05
/** Node's timers overflow past 2^31 - 1 ms (24.8 days). No timer of Waggle is meant to be that long. */
const maxTimerMs = 2 ** 31 - 1
