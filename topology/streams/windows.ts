import type { Window } from '../record.ts'
import { WaggleError } from '../waggle-error.ts'

abstract class Typed<T> {
  declare private readonly types: T
}

/** Windows of one size, aligned to the epoch: tumbling, or hopping where they advance by less than their size. */
export class TimeWindows extends Typed<'time'> {
  readonly kind = 'time'
  readonly sizeMs: number
  readonly graceMs: number
  readonly advanceMs: number

  private constructor(sizeMs: number, advanceMs: number, graceMs: number) {
    super()
    this.sizeMs = atLeast(1, 'The size of a window', sizeMs)
    this.graceMs = atLeast(0, 'The grace of a window', graceMs)
    this.advanceMs = atLeast(1, 'The advance of a window', advanceMs)
    if (advanceMs > sizeMs) throw invalid(`Windows of ${sizeMs} ms that advance by ${advanceMs} ms leave gaps`, 'Advance by at most the size.')
  }

  static ofSizeAndGrace(sizeMs: number, graceMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, graceMs)
  }

  static ofSizeWithNoGrace(sizeMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, 0)
  }

  advanceBy(advanceMs: number): TimeWindows {
    return new TimeWindows(this.sizeMs, advanceMs, this.graceMs)
  }

  /** Those that hold the timestamp, oldest first. */
  windowsFor(timestamp: number): readonly Window[] {
    const { sizeMs, advanceMs } = this
    const windows: Window[] = []
    for (let start = Math.floor(Math.max(0, timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs; start <= timestamp; start += advanceMs)
      windows.push({ start, end: start + sizeMs })
    return windows
  }
}

/** One window that never ends. */
export class UnlimitedWindows extends Typed<'unlimited'> {
  readonly kind = 'unlimited'
  readonly start: number
  readonly sizeMs = Number.MAX_SAFE_INTEGER
  readonly graceMs = 0

  private constructor(start: number) {
    super()
    this.start = atLeast(0, 'The start of a window', start)
  }

  static of(): UnlimitedWindows {
    return new UnlimitedWindows(0)
  }

  startOn(start: number): UnlimitedWindows {
    return new UnlimitedWindows(start)
  }

  windowsFor(timestamp: number): readonly Window[] {
    return timestamp >= this.start ? [{ start: this.start, end: Number.MAX_SAFE_INTEGER }] : []
  }
}

/** A window for each distinct set of records that lie at most the time difference apart. KIP-450. */
export class SlidingWindows extends Typed<'sliding'> {
  readonly kind = 'sliding'
  readonly timeDifferenceMs: number
  readonly graceMs: number

  private constructor(timeDifferenceMs: number, graceMs: number) {
    super()
    this.timeDifferenceMs = atLeast(0, 'The time difference of a window', timeDifferenceMs)
    this.graceMs = atLeast(0, 'The grace of a window', graceMs)
  }

  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, graceMs)
  }

  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, 0)
  }
}

/** Records of a key with less than the gap between them. KIP-94. */
export class SessionWindows extends Typed<'session'> {
  readonly kind = 'session'
  readonly gapMs: number
  readonly graceMs: number

  private constructor(gapMs: number, graceMs: number) {
    super()
    this.gapMs = atLeast(1, 'The gap of a session', gapMs)
    this.graceMs = atLeast(0, 'The grace of a session', graceMs)
  }

  static ofInactivityGapAndGrace(inactivityGapMs: number, graceMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, graceMs)
  }

  static ofInactivityGapWithNoGrace(inactivityGapMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, 0)
  }
}

/** How far apart two records may lie that join: the other one at most `beforeMs` earlier and `afterMs` later. */
export class JoinWindows extends Typed<'join'> {
  readonly kind = 'join'
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number

  private constructor(beforeMs: number, afterMs: number, graceMs: number) {
    super()
    this.beforeMs = beforeMs
    this.afterMs = afterMs
    this.graceMs = atLeast(0, 'The grace of a join', graceMs)
    if (beforeMs + afterMs < 0)
      throw invalid(`A join from ${-beforeMs} ms to ${afterMs} ms after a record ends before it begins`, 'Let before + after be at least 0.')
  }

  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): JoinWindows {
    return new JoinWindows(atLeast(0, 'The time difference of a join', timeDifferenceMs), timeDifferenceMs, graceMs)
  }

  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): JoinWindows {
    return JoinWindows.ofTimeDifferenceAndGrace(timeDifferenceMs, 0)
  }

  before(timeDifferenceMs: number): JoinWindows {
    return new JoinWindows(timeDifferenceMs, this.afterMs, this.graceMs)
  }

  after(timeDifferenceMs: number): JoinWindows {
    return new JoinWindows(this.beforeMs, timeDifferenceMs, this.graceMs)
  }

  get sizeMs(): number {
    return this.beforeMs + this.afterMs
  }
}

/** When a window's result goes on: at each update, or once, when the window has closed. KIP-825. */
export class EmitStrategy extends Typed<'emit'> {
  readonly onClose: boolean

  private constructor(onClose: boolean) {
    super()
    this.onClose = onClose
  }

  static onWindowUpdate(): EmitStrategy {
    return new EmitStrategy(false)
  }

  static onWindowClose(): EmitStrategy {
    return new EmitStrategy(true)
  }
}

function atLeast(least: number, what: string, value: number): number {
  if (Number.isFinite(value) && value >= least) return value
  throw invalid(`${what} cannot be ${value} ms`, `Give at least ${least} ms.`)
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_WINDOW', { message, next })
}
