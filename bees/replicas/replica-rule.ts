/** The measured load of a bee since the last decision. */
export interface ReplicaLoad {
  /** A clock in ms that never goes back. */
  readonly nowMs: number
  /** The length of the measured time. */
  readonly spanMs: number
  readonly replicas: number
  /** The mean number of calls without a result. */
  readonly callsInFlight: number
  readonly callsDone: number
  readonly rowsDone: number
  /** The mean time from the write of a row's record to the call with this row. It includes the wait for a full batch. */
  readonly waitedMs: number
}

export interface ReplicaDecision {
  readonly change: 'grow' | 'shrink' | 'take back'
  /** The reason, as the end of a sentence. */
  readonly because: string
}

export interface ReplicaRange {
  readonly min: number
  readonly max: number
}

/**
 * Decides how many replicas of a bee run at the same time. The rule uses only numbers and times from its arguments, so that a test of hours of load
 * takes milliseconds.
 *
 * The rule adds a replica if, for one second, more calls are in flight than the replicas can compute, and rows wait noticeably. It then measures. The
 * new replica stays if it increases the rate of rows, or if rows wait much less. Otherwise the replica is removed, and the next attempt follows after
 * a minute, then after two minutes, up to 16. The number therefore does not grow for a bee that waits for a database, or on a machine whose cores are
 * all busy. The rule removes a replica after half a minute in which one replica fewer would have been enough.
 */
export class ReplicaRule {
  readonly #range: ReplicaRange
  /** The load since too many calls began to wait; null while calls do not wait. */
  #pressure: Sum | null = null
  /** The time since when one replica fewer would have been enough; null if all replicas are needed. */
  #easySinceMs: number | null = null
  /** The measurement of the newest replica; null if no replica is being measured. */
  #trial: { readonly sinceMs: number; readonly before: Sum; readonly load: Sum } | null = null
  #growsAfterMs = Number.NEGATIVE_INFINITY
  #holdMs = firstHoldMs

  constructor(range: ReplicaRange) {
    this.#range = range
  }

  /** The change to make now; null to keep the number. */
  decide(load: ReplicaLoad): ReplicaDecision | null {
    const pressed = isPressed(load)
    const verdict = this.#trial === null ? null : this.#judge(this.#trial, load, pressed)
    if (verdict !== null || this.#trial !== null) return verdict
    this.#easySinceMs = isEasy(load) ? (this.#easySinceMs ?? load.nowMs - load.spanMs) : null
    if (this.#easySinceMs !== null && load.replicas > this.#range.min && load.nowMs - this.#easySinceMs >= easyMs) {
      this.#easySinceMs = null
      return { change: 'shrink', because: `${shown(load.callsInFlight)} calls were in flight at a time for ${easyMs / 1000} s` }
    }
    this.#pressure = pressed ? (this.#pressure ?? new Sum()) : null
    this.#pressure?.add(load)
    if (this.#pressure === null || this.#pressure.spanMs < pressureMs) return null
    if (load.replicas >= this.#range.max || load.nowMs < this.#growsAfterMs) return null
    this.#trial = { sinceMs: Number.POSITIVE_INFINITY, before: this.#pressure, load: new Sum() }
    const { callsInFlight, waitMs } = this.#pressure
    this.#pressure = null
    return { change: 'grow', because: `${shown(callsInFlight)} calls are in flight at a time, and a row waits ${shown(waitMs)} ms` }
  }

  /** Must be called when the replica that the decision `grow` asked for is ready. */
  grown(nowMs: number): void {
    if (this.#trial !== null) this.#trial = { ...this.#trial, sinceMs: nowMs }
  }

  /** Must be called when the replica that the decision `grow` asked for could not be opened. */
  notGrown(nowMs: number): void {
    this.#trial = null
    this.#hold(nowMs)
  }

  #judge(trial: { readonly sinceMs: number; readonly before: Sum; readonly load: Sum }, load: ReplicaLoad, pressed: boolean): ReplicaDecision | null {
    // The first moments are not measured, because a new replica starts slowly: its code is not compiled, and its caches are empty.
    if (load.nowMs - load.spanMs < trial.sinceMs + warmUpMs) return null
    trial.load.add(load)
    const { before, load: after } = trial
    const isEnough = after.spanMs >= trialMs && after.callsDone >= trialCalls
    if (!isEnough && after.spanMs < longestTrialMs) return null
    this.#trial = null
    const old = load.replicas - 1
    const wanted = before.rowsPerSecond * (1 + leastPart / Math.max(1, old))
    if (!pressed || after.rowsPerSecond >= wanted || after.waitMs <= before.waitMs / 2) {
      this.#holdMs = firstHoldMs
      return null
    }
    this.#hold(load.nowMs)
    return {
      change: 'take back',
      because: `it does not help: ${shown(after.rowsPerSecond)} rows/s with it, ${shown(before.rowsPerSecond)} without`,
    }
  }

  #hold(nowMs: number): void {
    this.#growsAfterMs = nowMs + this.#holdMs
    this.#holdMs = Math.min(longestHoldMs, 2 * this.#holdMs)
  }
}

/** The sum of several loads. */
class Sum {
  spanMs = 0
  callsDone = 0
  #rowsDone = 0
  #callMs = 0
  #waitWeightedMs = 0

  add(load: ReplicaLoad): void {
    this.spanMs += load.spanMs
    this.callsDone += load.callsDone
    this.#rowsDone += load.rowsDone
    this.#callMs += load.callsInFlight * load.spanMs
    this.#waitWeightedMs += waitOf(load) * load.spanMs
  }

  get rowsPerSecond(): number {
    return (1000 * this.#rowsDone) / this.spanMs
  }

  get callsInFlight(): number {
    return this.#callMs / this.spanMs
  }

  get waitMs(): number {
    return this.#waitWeightedMs / this.spanMs
  }
}

function isPressed(load: ReplicaLoad): boolean {
  return load.callsInFlight >= pressedCalls * load.replicas && waitOf(load) >= noticedMs
}

/** True if one replica fewer would have spare time. */
function isEasy({ callsInFlight, replicas }: ReplicaLoad): boolean {
  return replicas > 1 && callsInFlight <= easyCalls * (replicas - 1)
}

/**
 * The time that a row waits before a replica computes it. The rule assumes that a replica computes one call at a time, so the other calls in flight
 * wait. By Little's law their wait is their number divided by the rate of calls.
 */
function waitOf({ callsInFlight, replicas, callsDone, spanMs, waitedMs }: ReplicaLoad): number {
  return waitedMs + (Math.max(0, callsInFlight - replicas) * spanMs) / Math.max(1, callsDone)
}

function shown(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1)
}

/** The number of calls in flight for each replica above which calls wait too much. At 1, every replica computes and no call waits. */
const pressedCalls = 1.5
const easyCalls = 0.6
/** The shortest wait, in ms, that justifies the memory of another replica. */
const noticedMs = 50
const pressureMs = 1000
const easyMs = 30_000
const warmUpMs = 500
const trialMs = 2000
const trialCalls = 10
const longestTrialMs = 60_000
/**
 * The fraction of its best possible gain that a new replica must reach to stay. A second replica could at best double the rate of rows, so it must
 * add 30 %.
 */
const leastPart = 0.3
const firstHoldMs = 60_000
const longestHoldMs = 960_000
