import type { Clock } from '../../processor/ports.ts'

export interface TimeSource {
  /** Epoch milliseconds. A person or NTP may set this clock at any moment. */
  wallMs(): number
  /** Milliseconds of a clock that never jumps and never goes back. */
  monotonicMs(): number
}

export interface SystemClock extends Clock {
  /** The milliseconds by which the machine's clock is ahead of this clock; negative if it is behind. */
  wallAheadMs(): number
}

/**
 * The time of the machine's wall clock, without its jumps. The clock starts at the wall clock's time, and runs with the monotonic clock. It
 * approaches the wall clock by at most 5 % of the passing time, and never goes back. If someone sets the machine's clock ahead by an hour, no
 * deadline, join or window ends early. When the process restarts, the clock starts at the machine's current time.
 */
export function steadyClock({ wallMs, monotonicMs }: TimeSource): SystemClock {
  // The state is an object for speed. A variable of the closure would allocate memory at each write of a number, and the clock is read some fifty
  // times a request.
  const state = { nowMs: wallMs(), readAtMs: monotonicMs(), toldMs: 0 }
  const read = () => {
    const passedMs = monotonicMs() - state.readAtMs
    if (passedMs >= 1) {
      state.readAtMs += passedMs
      const nowMs = state.nowMs + passedMs
      const mostMs = passedMs * maxSlew
      state.nowMs = nowMs + Math.max(-mostMs, Math.min(mostMs, wallMs() - nowMs))
    }
    // Within one millisecond there is no correction. The next correction may be slightly negative, so the last returned time is kept as the lower
    // bound.
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
    /** The timer keeps the process alive until it is due or cancelled. */
    after(delayMs, callback) {
      // A time in the past is due at once: negative delays become 0.
      const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, maxTimerMs)) || 0)
      return () => clearTimeout(timer)
    },
  }
}

/** The clock of this JavaScript thread. */
export const systemClock: SystemClock = steadyClock({ wallMs: () => Date.now(), monotonicMs: () => performance.now() })

/**
 * The largest correction, as a share of the passing time. NTP corrects a clock by at most 0.05 %. With this value a deadline of 30 s is at most 1.5 s
 * off.
 */
const maxSlew = 0.05
/** Node's timers overflow past 2^31 - 1 ms (24.8 days). Waggle needs no timer that long. */
const maxTimerMs = 2 ** 31 - 1
