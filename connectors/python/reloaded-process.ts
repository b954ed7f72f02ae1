import type { OpenProcess, ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

/**
 * A process that can be replaced. The replacement takes the waiting calls and all later calls. The old process finishes its running calls, so no call
 * is lost.
 */
export class ReloadedProcess implements OpenProcess {
  readonly #open: () => Promise<OpenProcess>
  readonly #closed: () => void
  #now: OpenProcess
  /** The prepared replacement. It is ready, and gets no calls before `take`. */
  #next: OpenProcess | null = null
  #isClosed = false
  /** Replaced processes that are still finishing their calls. */
  readonly #old = new Set<OpenProcess>()
  /** Promises for the ends of replaced processes, and for a start that is running now. */
  readonly #pending = new Set<Promise<void>>()

  private constructor(first: OpenProcess, open: () => Promise<OpenProcess>, closed: () => void) {
    this.#now = first
    this.#open = open
    this.#closed = closed
  }

  /** `open` starts a process with the current file. `closed` is called when the process is closed. */
  static async open(open: () => Promise<OpenProcess>, closed: () => void): Promise<ReloadedProcess> {
    return new ReloadedProcess(await open(), open, closed)
  }

  get isReady(): boolean {
    return this.#now.isReady
  }

  get wantsParts(): boolean {
    return this.#now.wantsParts === true
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (BeeResult | WaggleError)[]> {
    return this.#now.call(calls)
  }

  /** Starts the replacement. Rejects if the replacement cannot start. */
  prepare(): Promise<void> {
    const opening = this.#open().then(async (next) => {
      if (this.#isClosed) await next.close()
      else this.#next = next
    })
    this.#wait(opening.catch(() => {}))
    return opening
  }

  /** Gives all waiting and later calls to the prepared process. */
  take(): void {
    const [before, next] = [this.#now, this.#next]
    if (next === null || this.#isClosed) return
    this.#now = next
    this.#next = null
    this.#old.add(before)
    this.#wait(before.close(this).finally(() => this.#old.delete(before)))
  }

  /** Closes the prepared process, which still finishes its calls. */
  drop(): void {
    const next = this.#next
    this.#next = null
    if (next !== null) this.#wait(next.close())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#closed()
    this.drop()
    await Promise.all([...this.#old].map((old) => old.close()))
    await Promise.all(this.#pending)
    await this.#now.close()
  }

  #wait(work: Promise<void>): void {
    const pending = work.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
  }
}
