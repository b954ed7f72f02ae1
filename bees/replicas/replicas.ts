import { WaggleError } from '../../topology/waggle-error.ts'
import { type ReplicaRange, ReplicaRule } from './replica-rule.ts'

/** One of several equal workers of a bee, such as a container, a process or a thread. */
export interface Replica {
  /** True if the replica can take a call now; false while it is starting. Default: true. */
  readonly isReady?: boolean
  /** Ends the replica. The replica decides the outcome of its open calls. A superfluous replica is closed only after its last call. */
  close(): Promise<void>
}

export interface ReplicasOptions<T extends Replica> {
  readonly bee: string
  readonly range: ReplicaRange
  readonly open: () => Promise<T>
  /** The sum of the times that rows of the bee have waited for their call, in ms, and the number of these rows, since the start. */
  readonly waited: () => { readonly rows: number; readonly ms: number }
  readonly now: () => number
  /** Calls `act` once, after `ms`. The returned function cancels the call. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly log: (level: 'info' | 'warn', message: string) => void
  /** Called when these replicas are closed. */
  readonly closed: (counts: ReplicaCounts) => void
}

/** The counts of a bee's replicas, for metrics. */
export interface ReplicaCounts {
  readonly replicas: number
  /** Changes since the start, by their kind. */
  readonly changes: { readonly grown: number; readonly shrunk: number; readonly takenBack: number; readonly failed: number }
}

/**
 * The replicas of a bee. A call goes to the ready replica with the fewest calls. Among equals, the call goes to the replica that has waited longest
 * for a call. `ReplicaRule` decides the number of replicas, within `range`.
 */
export class Replicas<T extends Replica> {
  readonly #options: ReplicasOptions<T>
  readonly #rule: ReplicaRule
  readonly #members: Member<T>[] = []
  readonly #changes = { grown: 0, shrunk: 0, takenBack: 0, failed: 0 }
  readonly #closing = new Set<Promise<void>>()
  /** The integral of the number of calls in flight over time: the sum of the durations of all calls so far. */
  #callMs = 0
  #countedAtMs: number
  #calls = 0
  #callsBegun = 0
  #callsDone = 0
  #rowsDone = 0
  #last = { atMs: 0, callMs: 0, callsDone: 0, rowsDone: 0, waited: { rows: 0, ms: 0 } }
  #isChanging: Promise<void> | null = null
  #isClosed = false
  #cancelTimer = () => {}

  private constructor(options: ReplicasOptions<T>) {
    this.#options = options
    this.#rule = new ReplicaRule(options.range)
    this.#countedAtMs = options.now()
  }

  /** Opens the least number of replicas, concurrently. If a replica cannot be opened, closes the others and throws the error of that replica. */
  static async open<T extends Replica>(options: ReplicasOptions<T>): Promise<Replicas<T>> {
    const replicas = new Replicas(options)
    const opened = await Promise.allSettled(Array.from({ length: options.range.min }, () => options.open()))
    for (const one of opened) if (one.status === 'fulfilled') replicas.#members.push(new Member(one.value))
    const failed = opened.find((one) => one.status === 'rejected')
    if (failed !== undefined) {
      await replicas.close()
      throw failed.reason
    }
    if (options.range.max > options.range.min) replicas.#watch()
    return replicas
  }

  /** The number of open replicas. */
  get count(): number {
    return this.#members.length
  }

  /** True if a replica is ready. */
  get isReady(): boolean {
    return this.#members.some(({ replica }) => replica.isReady !== false)
  }

  get counts(): ReplicaCounts {
    return { replicas: this.count, changes: { ...this.#changes } }
  }

  /** The replica that was opened first. */
  get first(): T {
    const [first] = this.#members
    if (first === undefined) throw this.#closedError()
    return first.replica
  }

  /**
   * Calls `use` with one of the ready replicas. `rows` is the number of rows of the call. If no replica is ready, `use` gets a replica that is still
   * starting, and the call waits inside that replica.
   */
  async call<R>(rows: number, use: (replica: T) => Promise<R>): Promise<R> {
    const ready = this.#members.filter(({ replica }) => replica.isReady !== false)
    const [first, ...others] = ready.length > 0 ? ready : this.#members
    if (first === undefined) throw this.#closedError()
    const member = others.reduce((next, one) => (one.goesBefore(next) ? one : next), first)
    this.#count(1)
    member.begin(++this.#callsBegun)
    try {
      return await use(member.replica)
    } finally {
      this.#count(-1)
      this.#callsDone++
      this.#rowsDone += rows
      member.done()
    }
  }

  /** Closes all replicas now. Each replica decides the outcome of its open calls. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    this.#options.closed(this.counts)
    await this.#isChanging
    const closed = await Promise.allSettled([...this.#members.splice(0).map(({ replica }) => replica.close()), ...this.#closing])
    const failed = closed.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #watch(): void {
    this.#last = this.#countsNow()
    this.#cancelTimer = this.#options.after(betweenMs, () => {
      this.#isChanging = this.#change().finally(() => {
        this.#isChanging = null
        if (!this.#isClosed) this.#watch()
      })
    })
  }

  async #change(): Promise<void> {
    const before = this.#last
    const now = this.#countsNow()
    const spanMs = now.atMs - before.atMs
    if (spanMs <= 0) return
    const waitedRows = now.waited.rows - before.waited.rows
    const decision = this.#rule.decide({
      nowMs: now.atMs,
      spanMs,
      replicas: this.count,
      callsInFlight: (now.callMs - before.callMs) / spanMs,
      callsDone: now.callsDone - before.callsDone,
      rowsDone: now.rowsDone - before.rowsDone,
      waitedMs: waitedRows === 0 ? 0 : (now.waited.ms - before.waited.ms) / waitedRows,
    })
    if (decision === null) return
    if (decision.change === 'grow') return this.#grow(decision.because)
    const { bee, log } = this.#options
    if (decision.change === 'shrink') this.#changes.shrunk++
    else this.#changes.takenBack++
    log('info', `${bee} goes on with ${this.count - 1} replicas in place of ${this.count}: ${decision.because}`)
    this.#closeOne()
  }

  async #grow(because: string): Promise<void> {
    const { bee, log, open, now } = this.#options
    log('info', `${bee} gets replica ${this.count + 1}: ${because}`)
    try {
      const replica = await open()
      if (this.#isClosed) return await replica.close()
      this.#members.push(new Member(replica))
      this.#changes.grown++
      this.#rule.grown(now())
    } catch (thrown) {
      this.#changes.failed++
      this.#rule.notGrown(now())
      log(
        'warn',
        `${bee} goes on with ${this.count} replicas: one more cannot be opened (${thrown instanceof Error ? thrown.message : String(thrown)})`,
      )
    }
  }

  /** Removes the newest replica, so that it gets no new call, and closes it when its last call has ended. */
  #closeOne(): void {
    const member = this.#members.pop()
    if (member === undefined) return
    const closing = member.closeWhenDone().catch((thrown: unknown) => {
      this.#options.log('warn', `a replica of ${this.#options.bee} cannot be closed: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    })
    this.#closing.add(closing)
    void closing.finally(() => this.#closing.delete(closing))
  }

  #count(change: number): void {
    const now = this.#options.now()
    this.#callMs += this.#calls * (now - this.#countedAtMs)
    this.#countedAtMs = now
    this.#calls += change
  }

  #countsNow() {
    this.#count(0)
    const { waited, now } = this.#options
    return { atMs: now(), callMs: this.#callMs, callsDone: this.#callsDone, rowsDone: this.#rowsDone, waited: waited() }
  }

  #closedError(): WaggleError {
    return new WaggleError('WAGGLE_BEE_FAILED', { message: `${this.#options.bee} is closed`, next: 'Send the request again.' })
  }
}

class Member<T extends Replica> {
  readonly replica: T
  #calls = 0
  /** The sequence number, among all calls of the bee, of the last call that this replica got. */
  #lastCall = 0
  #whenDone: (() => void) | null = null

  constructor(replica: T) {
    this.replica = replica
  }

  /** True if the next call must go to this replica rather than to `other`. */
  goesBefore(other: Member<T>): boolean {
    return this.#calls === other.#calls ? this.#lastCall < other.#lastCall : this.#calls < other.#calls
  }

  begin(call: number): void {
    this.#calls++
    this.#lastCall = call
  }

  done(): void {
    this.#calls--
    if (this.#calls === 0) this.#whenDone?.()
  }

  async closeWhenDone(): Promise<void> {
    if (this.#calls > 0) await new Promise<void>((resolve) => (this.#whenDone = resolve))
    await this.replica.close()
  }
}

const betweenMs = 500
