import { WaggleError } from '../../topology/waggle-error.ts'
import type { Batchers } from '../async/batchers.ts'
import type { ThreadCommits } from '../commit/thread-commits.ts'
import type { Clock, Log } from '../ports.ts'
import { StandingFailure } from '../task/failures.ts'
import type { InputFlow } from './input-flow.ts'
import type { ThreadGroups } from './thread-groups.ts'
import type { ThreadTasks } from './thread-tasks.ts'

export interface RollbackOptions {
  readonly log: Log
  readonly clock: Clock
  readonly onFailure: (error: WaggleError) => void
  readonly tasks: ThreadTasks
  readonly groups: ThreadGroups
  readonly commits: ThreadCommits
  readonly batchers: Batchers
  readonly inputs: InputFlow
}

/**
 * Takes a thread's tasks back to their last commit after a failure. After several failures in a row the thread pauses before it goes on, each time
 * for longer.
 */
export class Rollback {
  readonly #options: RollbackOptions
  #failures = 0

  constructor(options: RollbackOptions) {
    this.#options = options
  }

  commitSucceeded(): void {
    this.#failures = 0
  }

  /**
   * Reopens all tasks at the last commit. Returns null, or the error of a rollback that failed because the log cannot be reached. With `isSearching`
   * there is no pause, because the search for the record at fault goes on.
   */
  async run(failure: WaggleError, { isSearching }: { readonly isSearching: boolean }): Promise<unknown> {
    const { tasks, commits, batchers, inputs } = this.#options
    await commits.done
    batchers.closeAll()
    inputs.clear()
    tasks.closeAll()
    const failed = await this.#reopen(failure).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    if (!isSearching) await this.#pauseFor(Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, this.#failures++)))
    return failed
  }

  async #reopen(failure: WaggleError): Promise<void> {
    const { commits, onFailure, log, groups, tasks } = this.#options
    await commits.abort({ isFenced: failure.code === 'WAGGLE_FENCED', onFailure: (thrown) => onFailure(failureOf(thrown)) })
    if (log.traits.handsOn) return
    // On a log that does not hand values on, an abort changes no positions of consumers, so the consumers seek back here.
    for (const { group, consumer } of groups.consumers) await tasks.assign(group, consumer, tasks.partitionsOf(group), { seek: true })
  }

  #pauseFor(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(delayMs, resolve)
    })
  }
}

export function failureOf(thrown: unknown): WaggleError {
  const error = thrown instanceof StandingFailure ? thrown.cause : thrown
  return WaggleError.from('WAGGLE_TASK_FAILED', error, { next: 'The tasks went back to their last commit and go on; see the cause.' })
}

const backOffMs = 50
const maxBackOffMs = 5000
