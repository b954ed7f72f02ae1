import { compareTaskIds, type TaskId } from './group-task.ts'

/** The host that runs a task and the hosts of its standbys, by the latest assignment (KIP-535). */
export interface TaskHost {
  /** The address of the task's process. Null if the task is moving, if no process runs it, or if its process answers no queries. */
  readonly active: string | null
  readonly standbys: readonly string[]
}

export class TaskHosts {
  readonly #byTask: ReadonlyMap<TaskId, TaskHost>

  constructor(byTask: ReadonlyMap<TaskId, TaskHost>) {
    this.#byTask = byTask
  }

  of(task: TaskId): TaskHost {
    return this.#byTask.get(task) ?? nowhere
  }

  entries(): readonly (readonly [TaskId, TaskHost])[] {
    return [...this.#byTask].sort(([a], [b]) => compareTaskIds(a, b))
  }
}

const nowhere: TaskHost = { active: null, standbys: [] }
