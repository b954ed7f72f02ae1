import type { BeeActivity } from '../../bees/hosting/bee-calls.ts'
import { processHeap } from '../../connectors/system/process-heap.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { watchClock } from './clock-watch.ts'
import { trimWhenIdle } from './idle-trim.ts'
import { watchLoop } from './loop-watch.ts'

/** Watches this process while it runs: the machine's clock, the memory of an idle process, and the event loop. */
export class ProcessWatch {
  readonly #say: LogLine
  readonly #ends: readonly (() => void)[]

  /** Begins to watch the clock and the memory. */
  constructor(say: LogLine) {
    this.#say = say
    this.#ends = [watchClock(systemClock, (message) => say('clock', 'warn', message)), trimWhenIdle(systemClock, processHeap())]
  }

  /**
   * Begins to watch the event loop. Called after all models are open, because opening a model may block the process. The returned function ends this
   * watch.
   */
  watchLoop(takeActivity: () => readonly BeeActivity[]): () => void {
    return watchLoop(systemClock, takeActivity, (message) => this.#say('event-loop', 'warn', message))
  }

  /** Ends the watch of the clock and of the memory. */
  close(): void {
    for (const end of this.#ends) end()
  }
}
