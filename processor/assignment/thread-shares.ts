import type { TaskShare } from './assign-tasks.ts'
import { placeEvenly } from './even-placing.ts'
import type { GroupTask, TaskId } from './group-task.ts'

/** A thread of a process: one member of the group. */
export interface GroupThread {
  readonly id: string
  readonly active: ReadonlySet<TaskId>
  /** Tasks that the thread has in the plan of the previous assignment. */
  readonly planned: ReadonlySet<TaskId>
  /** The tasks whose standbys and warm-ups the thread keeps. */
  readonly copies: ReadonlySet<TaskId>
}

/**
 * Splits a process's share among its threads, by the same rules as among processes. State belongs to the process, so any of its threads can use it.
 * The plan also includes tasks that the process does not run yet. So a task that is going to move here has its thread already.
 */
export function shareAmongThreads(share: TaskShare, threads: readonly GroupThread[]): ReadonlyMap<string, TaskShare> {
  const sorted = threads.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const running = new Set(sorted.flatMap(({ active }) => [...active]))
  const totals = sorted.map(() => 0)
  const split = (tasks: readonly GroupTask[], placeSoFar: (id: TaskId) => number): readonly (readonly GroupTask[])[] => {
    const { even } = placeEvenly({
      weights: sorted.map(() => 1),
      base: [...totals],
      items: tasks.map(({ id, subtopology }) => {
        const bin = placeSoFar(id)
        return { kind: subtopology, bin: bin < 0 ? null : bin }
      }),
      mayHold: () => true,
      // Tasks that do not run yet move first.
      cost: (item) => (tasks.slice(item, item + 1).some(({ id }) => running.has(id)) ? 1 : 0),
    })
    for (const bin of even) if (bin !== null) totals[bin] = (totals[bin] ?? 0) + 1
    return sorted.map((_, at) => tasks.filter((_, index) => even[index] === at))
  }
  const runner = (id: TaskId) => {
    const planned = sorted.findIndex((thread) => thread.planned.has(id))
    return planned < 0 ? sorted.findIndex(({ active }) => active.has(id)) : planned
  }
  const keeper = (id: TaskId) => sorted.findIndex(({ copies }) => copies.has(id))
  const now = new Set(share.active)
  const stateful = split(share.active.filter(isStateful), runner)
  const stateless = split(
    share.active.filter((task) => !isStateful(task)),
    runner,
  )
  const standbys = split(share.standbys, keeper)
  const warmups = split(share.warmups, keeper)
  const toCome = split(
    share.plan.active.filter((task) => !now.has(task)),
    runner,
  )
  return new Map(
    sorted.map(({ id }, at) => {
      const active = [...(stateful[at] ?? []), ...(stateless[at] ?? [])]
      const plan = { active: [...active, ...(toCome[at] ?? [])], standbys: at === 0 ? share.plan.standbys : [] }
      return [id, { active, standbys: standbys[at] ?? [], warmups: warmups[at] ?? [], plan }]
    }),
  )
}

function isStateful({ isStateful }: GroupTask): boolean {
  return isStateful
}
