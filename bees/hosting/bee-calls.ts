import { isAsyncIterable } from '../../topology/async-iterable.ts'
import { isPromiseLike } from '../../topology/promise-like.ts'
import type { Printing } from '../../topology/swarm/ports/printing.ts'
import type { LineOrigin } from '../../topology/swarm/ports/processes.ts'
import type { BeeRequest } from '../define-bee.ts'
import { BeePrinter } from './bee-printer.ts'
import { printedIterable } from './printed-iterable.ts'

export interface BeeCallsOptions {
  /** A clock in ms. */
  readonly now: () => number
  readonly log: (bee: string, level: 'info' | 'warn', message: string, origin?: LineOrigin) => void
  /** Connects the lines that bees print with their calls. Undefined: printed lines are not connected. */
  readonly printing?: Printing
}

/** The work of the bees since the last `takeActivity`. */
export interface BeeActivity {
  /** The bees that had an open call in that time. */
  readonly bees: readonly string[]
  /** True if a warning in the log has already named the bee that blocked the process. */
  readonly isReported: boolean
}

/**
 * The calls of a swarm's bees. While a bee computes in this process without an `await`, nothing else in the process runs: no other bee, no gateway
 * and no timer. If a call blocks the process before its first `await`, the log names the bee.
 */
export class BeeCalls {
  readonly #options: BeeCallsOptions
  readonly #open = new Map<string, number>()
  readonly #active = new Set<string>()
  #isReported = false

  constructor(options: BeeCallsOptions) {
    this.#options = options
  }

  /** Calls a bee by `act`. Returns what the bee returns, and throws what it throws. For a bee that returns no promise, no promise is made. */
  call<T>(bee: string, requests: readonly Pick<BeeRequest, 'id'>[], act: () => T | PromiseLike<T>): T | Promise<T> {
    const { printing, log } = this.#options
    const printer = printing === undefined ? null : new BeePrinter((level, message, origin) => log(bee, level, message, origin), requests)
    this.#active.add(bee)
    const startedAt = this.#options.now()
    const result = this.#begun(printer, act)
    this.#report(bee, requests, this.#options.now() - startedAt)
    return isPromiseLike(result) ? this.#opened(bee, result, printer) : this.#ended(result, printer)
  }

  async #opened<T>(bee: string, result: PromiseLike<T>, printer: BeePrinter | null): Promise<T> {
    this.#open.set(bee, (this.#open.get(bee) ?? 0) + 1)
    try {
      return this.#ended(await result, printer)
    } catch (thrown) {
      printer?.end()
      throw thrown
    } finally {
      this.#active.add(bee)
      this.#open.set(bee, (this.#open.get(bee) ?? 1) - 1)
    }
  }

  /** The result of `act`. Lines that `act` prints go to the printer. */
  #begun<T>(printer: BeePrinter | null, act: () => T): T {
    if (printer === null) return act()
    try {
      return this.#printing(printer, act)
    } catch (thrown) {
      printer.end()
      throw thrown
    }
  }

  /** The output of a call that is over. If the output is a generator, the call is over when its last part is made. */
  #ended<T>(output: T, printer: BeePrinter | null): T {
    if (printer === null) return output
    if (!isAsyncIterable(output)) {
      printer.end()
      return output
    }
    return printedIterable(
      output,
      (step) => this.#printing(printer, step),
      () => printer.end(),
    ) as T
  }

  #printing<T>(printer: BeePrinter, act: () => T): T {
    const { printing } = this.#options
    return printing === undefined ? act() : printing.call(printer, act)
  }

  /** The bees that had calls since the last call of `takeActivity`. */
  takeActivity(): BeeActivity {
    const activity = { bees: [...this.#active], isReported: this.#isReported }
    this.#isReported = false
    this.#active.clear()
    for (const [bee, calls] of this.#open) if (calls > 0) this.#active.add(bee)
    return activity
  }

  #report(bee: string, requests: readonly Pick<BeeRequest, 'id'>[], ms: number): void {
    if (ms < blockingMs) return
    this.#isReported = true
    const [first] = requests
    const which =
      first === undefined ? '' : requests.length === 1 ? ` (request ${first.id})` : ` (request ${first.id} and ${requests.length - 1} more)`
    this.#options.log(
      bee,
      'warn',
      `${bee} blocked this process for ${(ms / 1000).toFixed(1)} s${which}. Meanwhile nothing else ran here. Give way with await, set workers on a module bee, or move the work to a container`,
    )
  }
}

/**
 * The shortest time, in ms, that counts as blocking. A call that computes longer without an `await` noticeably delays everything else in the process.
 */
const blockingMs = 250
