import type { Cancellable, PunctuationType, Punctuator } from '../../topology/processor-api.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Clock } from '../ports.ts'

/** A task's schedules. Stream-time schedules first fire with the first record, wall-clock schedules one interval after their creation. */
export class Punctuations {
  readonly #clock: Clock
  readonly #onNext: () => void
  #wallClock: Schedule[] = []
  #streamTime: Schedule[] = []
  /** Epoch ms of the earliest wall-clock schedule. */
  nextWallClock = Number.POSITIVE_INFINITY
  nextStreamTime = Number.POSITIVE_INFINITY

  /** `onNext`: called when `nextWallClock` has changed. */
  constructor(clock: Clock, onNext: () => void = () => {}) {
    this.#clock = clock
    this.#onNext = onNext
  }

  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator): Cancellable {
    if (!(intervalMs >= 1)) {
      throw new WaggleError('WAGGLE_INVALID_INTERVAL', {
        message: `A punctuation every ${intervalMs} ms cannot be`,
        next: 'Give an interval of at least 1 ms.',
      })
    }
    const schedule: Schedule = { intervalMs, punctuator, next: type === 'STREAM_TIME' ? 0 : this.#clock.now() + intervalMs, cancelled: false }
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

  /** Fires due wall-clock schedules. True where one fired. */
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
    const due = schedule.next + schedule.intervalMs
    schedule.next = time >= due ? schedule.next + (Math.floor((time - schedule.next) / schedule.intervalMs) + 1) * schedule.intervalMs : due
    schedule.punctuator(time)
  }
}

function earliest(schedules: readonly Schedule[]): number {
  let next = Number.POSITIVE_INFINITY
  for (const schedule of schedules) if (schedule.next < next) next = schedule.next
  return next
}
