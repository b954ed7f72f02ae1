import { WaggleError } from '../../topology/waggle-error.ts'
import type { Batchers } from '../async/batchers.ts'
import type { ThreadCommits } from '../commit/thread-commits.ts'
import type { EngineEvent } from '../metrics/engine-event.ts'
import type { AssignmentListener, Log, TopicPartition } from '../ports.ts'
import type { InputFlow } from './input-flow.ts'
import { failureOf } from './rollback.ts'
import type { ThreadGroups } from './thread-groups.ts'
import type { ThreadTasks } from './thread-tasks.ts'

export interface ThreadAssignmentListenerOptions {
  readonly name: string
  readonly group: string
  readonly log: Log
  readonly tasks: ThreadTasks
  readonly groups: ThreadGroups
  readonly commits: ThreadCommits
  readonly batchers: Batchers
  readonly inputs: InputFlow
  /** Called when the tasks of an assignment are open, or have begun to restore their state. */
  readonly onTasksChanged: () => void
  /** Called if uncommitted work was lost with its partitions. The thread must go back to its last commit. */
  readonly onLost: (error: WaggleError) => void
  readonly onFailure: (error: WaggleError) => void
  readonly onEvent?: (event: EngineEvent) => void
}

/** Opens and closes the tasks of a thread when one of its groups assigns or takes partitions. Work is committed before its partitions go. */
export class ThreadAssignmentListener implements AssignmentListener {
  readonly #options: ThreadAssignmentListenerOptions

  constructor(options: ThreadAssignmentListenerOptions) {
    this.#options = options
  }

  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { group, groups, tasks, commits, onTasksChanged } = this.#options
    this.#tell('assigned', partitions)
    const consumer = groups.consumerOf(group)
    if (tasks.changes(group, partitions)) await commits.commitAll()
    if (consumer !== undefined) await tasks.assign(group, consumer, partitions, { seek: false })
    this.#forgetGone()
    onTasksChanged()
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.#tell('revoked', partitions)
    await this.#options.commits.commitAll()
    this.#close(partitions)
  }

  async lost(partitions: readonly TopicPartition[]): Promise<void> {
    const { group, log, commits, onLost, onFailure } = this.#options
    this.#tell('lost', partitions)
    this.#close(partitions)
    // The embedded log (`traits.handsOn`) drops the uncommitted writes of lost tasks itself. On Kafka the thread must drop them.
    if (log.traits.handsOn || !commits.isUnderWay) return
    onLost(lostError(group))
    await commits.drop().catch((error: unknown) => onFailure(failureOf(error)))
  }

  #tell(kind: 'assigned' | 'revoked' | 'lost', partitions: readonly TopicPartition[]): void {
    const { name: thread, group, onEvent } = this.#options
    onEvent?.({ kind, thread, group, partitions })
  }

  #close(partitions: readonly TopicPartition[]): void {
    this.#options.tasks.revoke(this.#options.group, partitions)
    this.#forgetGone()
  }

  /** Drops the buffers and batchers of tasks that no longer run here. */
  #forgetGone(): void {
    const { tasks, inputs, batchers } = this.#options
    inputs.keep(tasks.tasks)
    batchers.keep(tasks.tasks.map(({ id }) => id))
  }
}

function lostError(group: string): WaggleError {
  return new WaggleError('WAGGLE_FENCED', {
    message: `The group ${group} gave the partitions of this thread to others, because the thread was away for too long`,
    next: 'Nothing: the thread goes back to its last commit, and reads the partitions that it is assigned next.',
  })
}
