import type { TaskShare } from './assign-tasks.ts'
import { placeEvenly } from './even-placing.ts'
import type { GroupTask, TaskId } from './group-task.ts'

/** A thread of a process: one member of the group. */
export interface GroupThread {
  readonly id: string
  readonly active: ReadonlySet<TaskId>
  /** Standbys and warm-ups. */
  readonly copies: ReadonlySet<TaskId>
}

/** A process's share, split among its threads as evenly, and as much as it is now, as among processes. State is the process's: any thread may have it. */
export function shareAmongThreads(share: TaskShare, threads: readonly GroupThread[]): ReadonlyMap<string, TaskShare> {
  const sorted = threads.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const shares = sorted.map(() => ({ active: [] as GroupTask[], standbys: [] as GroupTask[], warmups: [] as GroupTask[] }))
  const totals = sorted.map(() => 0)
  const split = (tasks: readonly GroupTask[], has: (thread: GroupThread, id: TaskId) => boolean, to: 'active' | 'standbys' | 'warmups') => {
    const { even } = placeEvenly({
      weights: sorted.map(() => 1),
      base: [...totals],
      items: tasks.map(({ id, subtopology }) => {
        const bin = sorted.findIndex((thread) => has(thread, id))
        return { kind: subtopology, bin: bin < 0 ? null : bin }
      }),
      mayHold: () => true,
      cost: () => 0,
    })
    for (const [index, task] of tasks.entries()) {
      const bin = even[index] ?? 0
      shares[bin]?.[to].push(task)
      totals[bin] = (totals[bin] ?? 0) + 1
    }
  }
  const runs = (thread: GroupThread, id: TaskId) => thread.active.has(id)
  const keeps = (thread: GroupThread, id: TaskId) => thread.copies.has(id)
  const isStateful = ({ isStateful }: GroupTask) => isStateful
  split(share.active.filter(isStateful), runs, 'active')
  split(
    share.active.filter((task) => !isStateful(task)),
    runs,
    'active',
  )
  split(share.standbys, keeps, 'standbys')
  split(share.warmups, keeps, 'warmups')
  return new Map(sorted.map(({ id }, at) => [id, shares[at] ?? { active: [], standbys: [], warmups: [] }]))
}
