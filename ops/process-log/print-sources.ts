import { AsyncLocalStorage } from 'node:async_hooks'
import type { PrintedStream, Printer, Printing } from '../../topology/swarm/ports/printing.ts'

/** Knows for which bee the running code works, so that the process's streams can give a printed line to that bee. */
export class PrintSources implements Printing {
  readonly #calls = new AsyncLocalStorage<Printer>()
  /** The printer of the function that runs by `callNow`. */
  #now: Printer | null = null

  /** The printer of the running code; null if the code belongs to no bee. */
  get current(): Printer | null {
    return this.#now ?? this.#calls.getStore() ?? null
  }

  call<T>(printer: Printer, act: () => T): T {
    return this.#calls.run(printer, act)
  }

  callNow<T>(printer: Printer, act: () => T): T {
    const before = this.#now
    this.#now = printer
    try {
      return act()
    } finally {
      this.#now = before
    }
  }

  write(printer: Printer, stream: PrintedStream, text: string): void {
    this.callNow(printer, () => process[stream].write(text))
  }
}
