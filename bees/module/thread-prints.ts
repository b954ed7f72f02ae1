import { AsyncLocalStorage } from 'node:async_hooks'
import type { FromModule } from './module-messages.ts'
import { takeWrites } from './taken-writes.ts'
import { UnreadPrints } from './unread-prints.ts'

/** Sends the text that a module prints in its thread to the thread of the process, with the call that printed the text. */
export class ThreadPrints {
  readonly #calls = new AsyncLocalStorage<number>()

  constructor(say: (message: FromModule) => void, memory: SharedArrayBuffer) {
    const unread = new UnreadPrints(memory)
    for (const stream of ['stdout', 'stderr'] as const)
      takeWrites(process[stream], (printed) => {
        const text = unread.sent(printed)
        if (text !== null) say({ kind: 'printed', call: this.#calls.getStore() ?? null, stream, text })
      })
  }

  /** Runs a call of the module. */
  during<T>(call: number, act: () => T): T {
    return this.#calls.run(call, act)
  }
}
