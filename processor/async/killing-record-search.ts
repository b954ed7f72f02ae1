import { WaggleError } from '../../topology/waggle-error.ts'
import type { FlightRecorder, RecordDeaths } from '../ports.ts'

/**
 * The other calls that may be in flight beside a record's call. `free`: any call, except the call of a record that is tried alone. `first half`,
 * `second half`: any call, except calls of the other half. `alone`: no other call.
 */
export type Isolation = 'free' | 'first half' | 'second half' | 'alone'

/**
 * Finds the record that kills this process, among the calls in flight. Most deaths come from outside, so after its first death a record is tried
 * together with all others. Records that were in flight at two deaths are tried in two halves, which are not in flight at the same time. Records that
 * were in flight at three deaths are tried alone, with no other call in flight in the process. So a record that kills is found after four deaths,
 * however many other records were in flight. `row-batcher.ts` retries a call that fails and leaves the process alive.
 */
export class KillingRecordSearch {
  readonly #recorder: FlightRecorder
  readonly #halves: ReadonlyMap<string, 'first half' | 'second half'>
  readonly #waiting = new Set<() => void>()
  readonly #running = { free: 0, 'first half': 0, 'second half': 0, alone: 0 }
  #loneWaits: (() => void) | null = null

  constructor(recorder: FlightRecorder) {
    this.#recorder = recorder
    this.#halves = halvesOf(recorder.suspects)
  }

  /** True if some records were in flight at a death and have not finished a call since. If false, no record has to be looked up. */
  get hasSuspects(): boolean {
    return this.#recorder.suspects.size > 0
  }

  isolationOf(record: string): Isolation {
    const deaths = this.#recorder.suspects.get(record)
    if (deaths === undefined || deaths.all < 2) return 'free'
    return deaths.all === 2 ? (this.#halves.get(record) ?? 'free') : 'alone'
  }

  /** The error that a record gets instead of another try; null for a record that may be tried. */
  verdict(record: string): WaggleError | null {
    const deaths = this.#recorder.suspects.get(record)
    if (deaths === undefined || !isGuilty(deaths)) return null
    const alone = deaths.alone === deaths.all ? 'each time' : deaths.alone === 1 ? 'the last time' : `the last ${deaths.alone} times`
    return new WaggleError('WAGGLE_KILLS_PROCESS', {
      message: `The process died ${deaths.all} times while it worked on this input, ${alone} on nothing else`,
      next: 'Run the bee as a container, so that its death does not end Waggle, and find out why it dies of the dead letter.',
    })
  }

  /** True if a call may start now. Otherwise `again` is called once, when the answer may have changed. */
  mayStart(isolation: Isolation, again: () => void): boolean {
    const running = this.#running
    const lonesFirst = running.alone > 0 || (this.#loneWaits !== null && this.#loneWaits !== again)
    const clashes =
      (isolation === 'alone' && this.#inFlight > 0) ||
      (isolation === 'first half' && running['second half'] > 0) ||
      (isolation === 'second half' && running['first half'] > 0)
    if (!lonesFirst && !clashes) return true
    if (isolation === 'alone') this.#loneWaits ??= again
    this.#waiting.add(again)
    return false
  }

  /**
   * Notes that a call starts. Call `write` before the call itself, and the returned function once, when the call has ended, with or without an error.
   */
  start(records: readonly string[], isolation: Isolation): () => void {
    const ended = this.#recorder.begin(records)
    this.#running[isolation]++
    if (isolation === 'alone') this.#loneWaits = null
    return () => {
      ended()
      this.#running[isolation]--
      if (this.#waiting.size > 0 && (this.#inFlight === 0 || (isolation !== 'free' && this.#running[isolation] === 0))) this.#wake()
    }
  }

  /** Writes down the calls that start. A death during one of these calls is then known after the restart. */
  write(): void {
    this.#recorder.write()
  }

  get #inFlight(): number {
    const running = this.#running
    return running.free + running.alone + running['first half'] + running['second half']
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    const first = this.#loneWaits
    this.#waiting.clear()
    this.#loneWaits = null
    first?.()
    for (const again of waiting) if (again !== first) again()
  }
}

/**
 * A record is at fault after three deaths at which no other record was in flight. It is also at fault after four deaths, if no other record was in
 * flight at one or more of them.
 */
function isGuilty({ all, alone }: RecordDeaths): boolean {
  return alone >= 3 || (alone >= 1 && all >= 4)
}

/** The records that were in flight at two deaths. The older records are in the first half. */
function halvesOf(suspects: FlightRecorder['suspects']): ReadonlyMap<string, 'first half' | 'second half'> {
  const twice = [...suspects].flatMap(([record, { all }]) => (all === 2 ? [record] : []))
  return new Map(twice.map((record, at) => [record, at < twice.length / 2 ? 'first half' : 'second half']))
}
