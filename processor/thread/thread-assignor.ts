import type { Capabilities } from '../../topology/capabilities.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { AssignmentSettings } from '../assignment/assign-tasks.ts'
import { type GroupTask, numbersOf, type TaskId, tasksOf } from '../assignment/group-task.ts'
import { TaskAssignor } from '../assignment/task-assignor.ts'
import type { TaskHosts } from '../assignment/task-hosts.ts'
import type { Clock, GroupAssignment, GroupAssignor, GroupMember, TopicPartition } from '../ports.ts'
import type { CopyKeeper, StatefulTask, TaskStates } from '../state/task-states.ts'

/** Settings of an application whose tasks are spread over processes. */
export interface SpreadOptions {
  /** The address for interactive queries to this process, `host:port`. */
  readonly host: string | null
  /** Capabilities of this machine. A sub-topology that needs other capabilities does not run here, and its workers are not opened. */
  readonly capabilities: Capabilities
  readonly settings: Partial<AssignmentSettings>
  /** Static membership: an id that stays the same after a restart, and that no other member has. */
  readonly instanceId: string | null
}

export interface ThreadAssignorOptions {
  readonly subtopologies: readonly Subtopology[]
  readonly states: TaskStates
  readonly clock: Clock
  readonly spread: SpreadOptions
  readonly partitionsOf: (topic: string) => number
  /** The group's committed position; null if there is none. */
  readonly committed: (place: TopicPartition) => Promise<number | null>
  /** Called when the leader has sent a new assignment. */
  readonly onReceived: () => void
}

/**
 * A thread's part in the assignment of a group. The assignor reports the state of its process to the leader, and makes the process keep the copies
 * that the leader wants.
 */
export class ThreadAssignor implements GroupAssignor, CopyKeeper {
  readonly #options: ThreadAssignorOptions
  readonly #assignor: TaskAssignor
  #hasReceived = false
  #rejoinedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: ThreadAssignorOptions) {
    this.#options = options
    const { subtopologies, states, spread, partitionsOf } = options
    this.#assignor = new TaskAssignor({
      subtopologies,
      processId: states.processId,
      host: spread.host,
      capabilities: () => spread.capabilities,
      lags: () => states.lags(statefulTasks(subtopologies, partitionsOf)),
      settings: spread.settings,
    })
  }

  get name(): string {
    return this.#assignor.name
  }

  /** The tasks that this thread must run; null until the leader has sent them. */
  get active(): readonly TaskId[] | null {
    return this.#hasReceived ? this.#assignor.assignment.active : null
  }

  get hosts(): TaskHosts {
    return this.#assignor.assignment.hosts
  }

  get problems(): readonly WaggleError[] {
    return this.#assignor.problems
  }

  /** True if a warm-up is ready to run here. While the warm-up stays ready, the method returns true only at intervals. */
  takeRejoin(): boolean {
    const now = this.#options.clock.elapsedMs()
    if (now - this.#rejoinedAtMs < rejoinEveryMs || !this.#assignor.wantsRejoin) return false
    this.#rejoinedAtMs = now
    return true
  }

  memberData(): Uint8Array {
    return this.#assignor.memberData()
  }

  assign(members: readonly GroupMember[], partitionsOf: (topic: string) => number): ReadonlyMap<string, GroupAssignment> {
    return this.#assignor.assign(members, partitionsOf)
  }

  received(data: Uint8Array): void {
    this.#assignor.received(data)
    const { active, standbys, warmups } = this.#assignor.assignment
    this.#keep([...standbys, ...warmups], active)
    this.#hasReceived = true
    this.#options.onReceived()
  }

  committed(place: TopicPartition): Promise<number | null> {
    return this.#options.committed(place)
  }

  /** Ends the copies that this thread keeps. */
  close(): void {
    this.#keep([], [])
  }

  #keep(ids: readonly TaskId[], active: readonly TaskId[]): void {
    const { subtopologies, states } = this.#options
    const tasks = ids.flatMap((id): StatefulTask[] => {
      const [of, partition] = numbersOf(id)
      const subtopology = subtopologies.find((one) => one.id === of)
      return subtopology === undefined ? [] : [{ id, subtopology, partition }]
    })
    states.keep(this, tasks, active)
  }
}

/** All tasks of these sub-topologies that have state. */
export function statefulTasks(subtopologies: readonly Subtopology[], partitionsOf: (topic: string) => number): readonly StatefulTask[] {
  const byId = new Map(subtopologies.map((one) => [one.id, one]))
  return tasksOf(subtopologies, partitionsOf).flatMap(({ id, subtopology: of, partition, isStateful }: GroupTask): StatefulTask[] => {
    const subtopology = byId.get(of)
    return isStateful && subtopology !== undefined ? [{ id, subtopology, partition }] : []
  })
}

const rejoinEveryMs = 1000
