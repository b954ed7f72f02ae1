import type { Clock } from '../../processor/ports.ts'

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
 * The machine's clock without jumps. It starts at the wall clock's time, and runs with the monotonic clock. It approaches the wall clock by at most 5
 * % of the passing time, and never goes back. If someone sets the machine's clock ahead by an hour, no deadline, join or window ends early. A restart
 * takes the new time at once.
 */
export function steadyClock({ wallMs, monotonicMs }: TimeSource): SystemClock {
  // The state is an object: writing numbers in closure variables would allocate one each time, and the clock is read some fifty times a request.
  const state = { nowMs: wallMs(), readAtMs: monotonicMs(), toldMs: 0 }
  const read = () => {
    const passedMs = monotonicMs() - state.readAtMs
    if (passedMs >= 1) {
      state.readAtMs += passedMs
      const nowMs = state.nowMs + passedMs
      const mostMs = passedMs * maxSlew
      state.nowMs = nowMs + Math.max(-mostMs, Math.min(mostMs, wallMs() - nowMs))
    }
    // Within one millisecond there is no correction. The next correction may be a little negative, so the returned time is held.
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
    /** The timer does not keep the process alive. */
    after(delayMs, callback) {
      // A time in the past is due at once.
      const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, maxTimerMs)) || 0)
      return () => clearTimeout(timer)
    },
  }
}

/** The clock of this JavaScript thread. */
export const systemClock: SystemClock = steadyClock({ wallMs: () => Date.now(), monotonicMs: () => performance.now() })

/** The largest correction, as a share of the passing time. NTP slews by 0.05 %. With this value a deadline of 30 s is at most 1.5 s off. */
const maxSlew = 0.05
/** Node's timers overflow past 2^31 - 1 ms (24.8 days). Waggle needs no timer that long. */
const maxTimerMs = 2 ** 31 - 1
