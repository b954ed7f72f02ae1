import type { Cancellable, PunctuationType, Punctuator } from '../../topology/processor-api.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock } from '../ports.ts'

/** A task's schedules. A stream-time schedule first fires with the first record, a wall-clock schedule one interval after its creation. */
export class Punctuations {
  readonly #clock: Clock
  readonly #onNext: () => void
  #wallClock: Schedule[] = []
  #streamTime: Schedule[] = []
  /** The time of the earliest wall-clock schedule, in epoch ms. */
  nextWallClock = Number.POSITIVE_INFINITY
  nextStreamTime = Number.POSITIVE_INFINITY

  /** `onNext`: called when `nextWallClock` has changed. */
  constructor(clock: Clock, onNext: () => void = () => {}) {
    this.#clock = clock
    this.#onNext = onNext
  }

  schedule({ intervalMs, type, start }: ScheduleOptions, punctuator: Punctuator): Cancellable {
    if (!(intervalMs >= 1)) {
      throw new WaggleError('WAGGLE_INVALID_INTERVAL', {
        message: `A punctuation cannot be scheduled every ${intervalMs} ms`,
        next: 'Give an interval of at least 1 ms.',
      })
    }
    const schedule: Schedule = { intervalMs, punctuator, next: this.#firstTime({ intervalMs, type, start }), cancelled: false }
    if (type === 'STREAM_TIME') this.#streamTime.push(schedule)
    else this.#wallClock.push(schedule)
    this.#refresh()
    return {
      cancel: () => {
        schedule.cancelled = true
        this.#wallClock = this.#wallClock.filter((other) => other !== schedule)
        this.#streamTime = this.#streamTime.filter((other) => other !== schedule)
        this.#refresh()
      },
    }
  }

  #firstTime({ intervalMs, type, start }: ScheduleOptions): number {
    const now = this.#clock.now()
    if (start === null) return type === 'STREAM_TIME' ? 0 : now + intervalMs
    const { startTime, streamTime } = start
    if (!(startTime >= 0)) {
      throw new WaggleError('WAGGLE_INVALID_INTERVAL', {
        message: `Punctuations cannot start at the time ${startTime}`,
        next: 'Give a startTime in epoch ms, of at least 0.',
      })
    }
    const time = type === 'STREAM_TIME' ? streamTime : now
    return startTime < time ? nextOnGrid(startTime, intervalMs, time) : startTime
  }

  /** Fires due wall-clock schedules. Returns true if a schedule fired. */
  punctuateWallClock(now: number): boolean {
    if (now < this.nextWallClock) return false
    fire(this.#wallClock, now)
    this.#refresh()
    return true
  }

  punctuateStreamTime(streamTime: number): boolean {
    if (streamTime < this.nextStreamTime) return false
    fire(this.#streamTime, streamTime)
    this.#refresh()
    return true
  }

  #refresh(): void {
    this.nextStreamTime = earliest(this.#streamTime)
    const next = earliest(this.#wallClock)
    if (next === this.nextWallClock) return
    this.nextWallClock = next
    this.#onNext()
  }
}

interface ScheduleOptions {
  readonly intervalMs: number
  readonly type: PunctuationType
  /** The requested time of the first punctuation, and the stream time of the request. Null if no time was requested. */
  readonly start: { readonly startTime: number; readonly streamTime: number } | null
}

interface Schedule {
  readonly intervalMs: number
  readonly punctuator: Punctuator
  next: number
  cancelled: boolean
}

/** Fires a schedule once, however many intervals were missed, as Kafka Streams does. The next time stays on the schedule's grid. */
function fire(schedules: readonly Schedule[], time: number): void {
  for (const schedule of [...schedules].sort((a, b) => a.next - b.next)) {
    if (schedule.cancelled || schedule.next > time) continue
    schedule.next = nextOnGrid(schedule.next, schedule.intervalMs, time)
    schedule.punctuator(time)
  }
}

/** The first time after `time` that is a whole number of intervals after `start`. */
function nextOnGrid(start: number, intervalMs: number, time: number): number {
  return start + (Math.floor((time - start) / intervalMs) + 1) * intervalMs
}

function earliest(schedules: readonly Schedule[]): number {
  let next = Number.POSITIVE_INFINITY
  for (const schedule of schedules) if (schedule.next < next) next = schedule.next
  return next
}
