import type { Window } from '../record.ts'
import { WaggleError } from '../waggle-error.ts'
import { Typed } from './option-type.ts'

/** Windows of one size, aligned to the epoch. The windows are tumbling windows. If they advance by less than their size, they are hopping windows. */
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

  /**
   * Windows of this size, aligned to the epoch. Each window takes records until its end and the grace are over. A window includes its start, and
   * excludes its end.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000)).count(Materialized.as('minutes', { keySerde: text }))
   * ```
   *
   * @remarks A longer grace accepts later records, keeps windows for longer, and delays results that wait for the end of a window.
   */
  static ofSizeAndGrace(sizeMs: number, graceMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, graceMs)
  }

  /**
   * Windows of this size, aligned to the epoch, that accept no record after their end.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).windowedBy(TimeWindows.ofSizeWithNoGrace(60_000)).count(Materialized.as('minutes', { keySerde: text }))
   * ```
   *
   * @remarks A window ends by stream time, which is the highest timestamp so far. A record whose window has ended is dropped and counted.
   */
  static ofSizeWithNoGrace(sizeMs: number): TimeWindows {
    return new TimeWindows(sizeMs, sizeMs, 0)
  }

  /**
   * Makes the windows hop: a window begins every `advanceMs`, so a record is in several windows. Throws WAGGLE_INVALID_WINDOW if `advanceMs` is
   * larger than the window's size.
   *
   * @example
   * ```ts
   * const lastHourEachMinute = TimeWindows.ofSizeAndGrace(3_600_000, 60_000).advanceBy(60_000)
   * clicks.groupByKey(Grouped.with(text, text)).windowedBy(lastHourEachMinute).count(Materialized.as('hours', { keySerde: text }))
   * ```
   *
   * @remarks Each record updates size / advance windows: 60 here.
   */
  advanceBy(advanceMs: number): TimeWindows {
    return new TimeWindows(this.sizeMs, advanceMs, this.graceMs)
  }

  /**
   * Returns the windows that contain a timestamp, oldest first.
   *
   * @example
   * ```ts
   * TimeWindows.ofSizeWithNoGrace(60_000).windowsFor(90_000) // [{ start: 60_000, end: 120_000 }]
   * ```
   */
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

  /**
   * Gives each key one window that begins at the epoch and never ends.
   *
   * @example
   * ```ts
   * clicks.groupByKey(Grouped.with(text, text)).windowedBy(UnlimitedWindows.of()).count(Materialized.as('all-clicks', { keySerde: text }))
   * ```
   *
   * @remarks Rows are never removed from the store of unlimited windows.
   */
  static of(): UnlimitedWindows {
    return new UnlimitedWindows(0)
  }

  /**
   * Starts the window at a time, in epoch milliseconds. Earlier records are in no window.
   *
   * @example
   * ```ts
   * const since2026 = UnlimitedWindows.of().startOn(Date.UTC(2026, 0, 1))
   * clicks.groupByKey(Grouped.with(text, text)).windowedBy(since2026).count(Materialized.as('clicks-since-2026', { keySerde: text }))
   * ```
   */
  startOn(start: number): UnlimitedWindows {
    return new UnlimitedWindows(start)
  }

  /**
   * Returns the window, or no window if the timestamp is before its start.
   *
   * @example
   * ```ts
   * UnlimitedWindows.of().startOn(1_000).windowsFor(500) // []
   * ```
   */
  windowsFor(timestamp: number): readonly Window[] {
    return timestamp >= this.start ? [{ start: this.start, end: Number.MAX_SAFE_INTEGER }] : []
  }
}

/** A window for each distinct set of records that are at most the time difference apart (KIP-450). */
export class SlidingWindows extends Typed<'sliding'> {
  readonly kind = 'sliding'
  readonly timeDifferenceMs: number
  readonly graceMs: number

  private constructor(timeDifferenceMs: number, graceMs: number) {
    super()
    this.timeDifferenceMs = atLeast(0, 'The time difference of a window', timeDifferenceMs)
    this.graceMs = atLeast(0, 'The grace of a window', graceMs)
  }

  /**
   * A window for each distinct set of records that are at most this many milliseconds apart (KIP-450). Both ends are in the window.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(60_000, 10_000))
   *   .count(Materialized.as('within-a-minute', { keySerde: text }))
   * ```
   *
   * @remarks A record creates up to two windows and updates all windows that contain it. Dense keys cost more than with hopping windows.
   */
  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, graceMs)
  }

  /**
   * Sliding windows that accept no late records.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(60_000))
   *   .count(Materialized.as('within-a-minute', { keySerde: text }))
   * ```
   */
  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): SlidingWindows {
    return new SlidingWindows(timeDifferenceMs, 0)
  }
}

/** Session windows: records of a key that are at most the gap apart share a window (KIP-94). */
export class SessionWindows extends Typed<'session'> {
  readonly kind = 'session'
  readonly gapMs: number
  readonly graceMs: number

  private constructor(gapMs: number, graceMs: number) {
    super()
    this.gapMs = atLeast(1, 'The gap of a session', gapMs)
    this.graceMs = atLeast(0, 'The grace of a session', graceMs)
  }

  /**
   * Sessions: records of a key share a window if they are at most the gap apart, in milliseconds (KIP-94). Late records are accepted until the grace
   * is over.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SessionWindows.ofInactivityGapAndGrace(30 * 60_000, 60_000))
   *   .count(Materialized.as('sessions', { keySerde: text }))
   * ```
   *
   * @remarks A record between two sessions merges them.
   */
  static ofInactivityGapAndGrace(inactivityGapMs: number, graceMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, graceMs)
  }

  /**
   * Sessions that accept no record later than the gap after their end.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * 60_000))
   *   .count(Materialized.as('sessions', { keySerde: text }))
   * ```
   */
  static ofInactivityGapWithNoGrace(inactivityGapMs: number): SessionWindows {
    return new SessionWindows(inactivityGapMs, 0)
  }
}

/** The window of a join. The other record is at most `beforeMs` older and at most `afterMs` newer. */
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

  /**
   * Joins two records whose times are at most this many milliseconds apart. Late records are accepted until the grace is over.
   *
   * @example
   * ```ts
   * orders
   *   .join(
   *     payments,
   *     (order, payment) => `${order.total} paid by ${payment}`,
   *     JoinWindows.ofTimeDifferenceAndGrace(5 * 60_000, 60_000),
   *     StreamJoined.with(text, orderSerde, text, { storeName: 'paid' }),
   *   )
   *   .to('paid-orders', Produced.with(text, text))
   * ```
   *
   * @remarks Both sides are stored for the window and its grace, each with a changelog. Each pair is emitted once.
   */
  static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): JoinWindows {
    return new JoinWindows(atLeast(0, 'The time difference of a join', timeDifferenceMs), timeDifferenceMs, graceMs)
  }

  /**
   * Joins two records whose times are at most this many milliseconds apart. Late records are not accepted.
   *
   * @example
   * ```ts
   * orders
   *   .join(
   *     payments,
   *     (order, payment) => `${order.total} paid by ${payment}`,
   *     JoinWindows.ofTimeDifferenceWithNoGrace(5 * 60_000),
   *     StreamJoined.with(text, orderSerde, text, { storeName: 'paid' }),
   *   )
   *   .to('paid-orders', Produced.with(text, text))
   * ```
   */
  static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): JoinWindows {
    return JoinWindows.ofTimeDifferenceAndGrace(timeDifferenceMs, 0)
  }

  /**
   * Sets how much older the other record may be, in milliseconds. With a negative number the other record must be newer.
   *
   * @example
   * ```ts
   * const paymentAfterOrder = JoinWindows.ofTimeDifferenceWithNoGrace(5 * 60_000).before(0)
   * orders.join(payments, (order, payment) => `${order.total} paid by ${payment}`, paymentAfterOrder, StreamJoined.with(text, orderSerde, text))
   * ```
   */
  before(timeDifferenceMs: number): JoinWindows {
    return new JoinWindows(timeDifferenceMs, this.afterMs, this.graceMs)
  }

  /**
   * Sets how much newer the other record may be, in milliseconds. With a negative number the other record must be older.
   *
   * @example
   * ```ts
   * const paymentBeforeOrder = JoinWindows.ofTimeDifferenceWithNoGrace(5 * 60_000).after(0)
   * orders.join(payments, (order, payment) => `${order.total} paid by ${payment}`, paymentBeforeOrder, StreamJoined.with(text, orderSerde, text))
   * ```
   */
  after(timeDifferenceMs: number): JoinWindows {
    return new JoinWindows(this.beforeMs, timeDifferenceMs, this.graceMs)
  }

  get sizeMs(): number {
    return this.beforeMs + this.afterMs
  }
}

/** Chooses when a window's result is forwarded: at each update, or only when the window has closed (KIP-825). */
export class EmitStrategy extends Typed<'emit'> {
  readonly onClose: boolean

  private constructor(onClose: boolean) {
    super()
    this.onClose = onClose
  }

  /**
   * Forwards each update of a window. This is the default.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeWithNoGrace(60_000))
   *   .emitStrategy(EmitStrategy.onWindowUpdate())
   *   .count(Materialized.as('minutes', { keySerde: text }))
   * ```
   */
  static onWindowUpdate(): EmitStrategy {
    return new EmitStrategy(false)
  }

  /**
   * Forwards a window's result once, when the window is closed (KIP-825).
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
   *   .emitStrategy(EmitStrategy.onWindowClose())
   *   .count(Materialized.as('closed-minutes', { keySerde: text }))
   * ```
   *
   * @remarks A window is closed by a later record of the partition, not by the clock. Unlike `suppress`, this strategy needs no buffer.
   */
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
