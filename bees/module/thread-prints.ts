import { AsyncLocalStorage } from 'node:async_hooks'
import type { FromModule } from './module-messages.ts'
import { takeWrites } from './taken-writes.ts'

/** Sends the text that a module prints in its thread to the thread of the process, with the call that printed the text. */
export class ThreadPrints {
  readonly #calls = new AsyncLocalStorage<number>()

  constructor(say: (message: FromModule) => void) {
    for (const stream of ['stdout', 'stderr'] as const)
      takeWrites(process[stream], (text) => say({ kind: 'printed', call: this.#calls.getStore() ?? null, stream, text }))
  }

  /** Runs a call of the module. */
  during<T>(call: number, act: () => T): T {
    return this.#calls.run(call, act)
  }
}
