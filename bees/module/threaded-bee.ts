import type { Printing } from '../../topology/swarm/ports/printing.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeContext, BeeRequest } from '../define-bee.ts'
import type { BeePrinter } from '../hosting/bee-printer.ts'
import type { BeeModule } from './load-bee.ts'
import { ModuleWorker } from './module-worker.ts'

/**
 * Opens a module's bee in worker threads, so that its computing does not block the process. A thread that dies starts again. Each call that was open
 * in the thread is tried once more, while no other call is in the thread. A call that crashes its thread therefore fails alone.
 */
export async function openThreadedBee(options: ThreadOptions, replicate: BeeContext<never>['replicate']): Promise<Bee<unknown, unknown>> {
  const threads = await replicate(() => ModuleThread.open(options))
  const call = (inputs: readonly unknown[], requests: readonly BeeRequest[]) => threads.call(inputs.length, (thread) => thread.call(inputs, requests))
  const { isBatch, example } = threads.first
  const common = { close: () => threads.close(), example: () => example }
  if (isBatch) return { ...common, processBatch: call }
  return {
    ...common,
    async process(input, request) {
      const [outcome] = await call([input], [request])
      if (outcome instanceof WaggleError) throw outcome
      return outcome
    },
  }
}

export interface ThreadOptions {
  readonly module: BeeModule
  readonly bee: string
  /** Receives a line for each thread that ends by itself, because no error reports the end if no call is open. */
  readonly log: (message: string) => void
  /** Takes the text that the module prints. Default: the text goes to the streams of the process as it is. */
  readonly printing?: ThreadPrinting
}

export interface ThreadPrinting {
  readonly port: Printing
  readonly printer: (requests: readonly BeeRequest[]) => BeePrinter
}

/** One thread of a bee. If its worker dies, another worker replaces it. */
class ModuleThread {
  readonly #options: ThreadOptions
  #worker: ModuleWorker | null = null
  /** True if the module has `processBatch`. */
  isBatch = false
  /** An input that the module accepts; null if the module has no example. */
  example: unknown = null
  #isClosed = false
  /** Settles when the calls that are tried alone have ended. Other calls wait for this promise. */
  #alone: Promise<unknown> = Promise.resolve()
  #open = 0
  #whenEmpty: (() => void) | null = null

  private constructor(options: ThreadOptions) {
    this.#options = options
  }

  /** Starts the thread. Throws the error of a module that cannot be loaded. */
  static async open(options: ThreadOptions): Promise<ModuleThread> {
    const thread = new ModuleThread(options)
    try {
      const { isBatch, example } = await thread.#running().ready
      thread.isBatch = isBatch
      thread.example = example
      return thread
    } catch (error) {
      await thread.close()
      throw error
    }
  }

  async call(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    try {
      await this.#alone
      return await this.#tried(inputs, requests)
    } catch (error) {
      if (!(error instanceof ThreadEnded) || error.isLast) throw error
      return await this.#triedAlone(inputs, requests)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#worker?.end(this.#ended('it is closed', true))
  }

  #triedAlone(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    const alone = this.#alone.then(async () => {
      if (this.#open > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
      return this.#tried(inputs, requests)
    })
    this.#alone = alone.catch(() => {})
    return alone
  }

  async #tried(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    this.#open++
    try {
      for (const { signal } of requests) signal.throwIfAborted()
      return await this.#running().call(inputs, requests)
    } finally {
      this.#open--
      if (this.#open === 0) this.#whenEmpty?.()
    }
  }

  #running(): ModuleWorker {
    if (this.#isClosed) throw this.#ended('it is closed', true)
    if (this.#worker === null || this.#worker.isEnded) this.#worker = new ModuleWorker(this.#options, (why) => this.#ended(why, false))
    return this.#worker
  }

  #ended(why: string, isLast: boolean): ThreadEnded {
    return new ThreadEnded(`A thread of ${this.#options.bee} ended: ${why}`, isLast)
  }
}

/** The error of a call whose thread has ended. `isLast` is true if the thread does not start again. */
class ThreadEnded extends WaggleError {
  readonly isLast: boolean

  constructor(message: string, isLast: boolean) {
    const goesOn = 'Correct how the module handles this input. The thread starts again with the next call.'
    super('WAGGLE_BEE_FAILED', { message, next: isLast ? 'Nothing: the bee was closed.' : goesOn })
    this.isLast = isLast
  }
}
