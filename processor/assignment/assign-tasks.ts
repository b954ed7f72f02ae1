import { type Capabilities, hasAll } from '../../topology/capabilities.ts'
import { type Placed, placeEvenly } from './even-placing.ts'
import { compareTaskIds, type GroupTask, type TaskId } from './group-task.ts'

/** A process of the group, as its members describe it. */
export interface GroupProcess {
  readonly id: string
  readonly threads: number
  readonly capabilities: Capabilities
  /** Topics that all threads of the process subscribe to. */
  readonly topics: ReadonlySet<string>
  /** Tasks whose partitions the process reads now. */
  readonly active: ReadonlySet<TaskId>
  /**
   * Tasks whose standby the process keeps now. Warm-ups are not included, because a move that waits for its warm-up would otherwise look finished.
   */
  readonly standbys: ReadonlySet<TaskId>
  /** The process's tasks in the previous plan. A plan says where tasks run when all copies have caught up. */
  readonly plan: { readonly active: ReadonlySet<TaskId>; readonly standbys: ReadonlySet<TaskId> }
  /**
   * The number of changelog records that the process's copy of a task lacks. The number is 0 if the task runs in this process. A task without a copy
   * has no entry.
   */
  readonly lags: ReadonlyMap<TaskId, number>
}

export interface AssignmentSettings {
  readonly standbyReplicas: number
  /** A copy that lacks at most this many records counts as caught up, because the rest is read in seconds. */
  readonly acceptableRecoveryLag: number
  /** The most warm-ups in the whole group at the same time. */
  readonly maxWarmupReplicas: number
}

/** Tasks of one process, or of one thread. */
export interface TaskShare {
  readonly active: readonly GroupTask[]
  readonly standbys: readonly GroupTask[]
  /** Copies that become active tasks or standbys when they have caught up. Their member then joins the group again. */
  readonly warmups: readonly GroupTask[]
  /** The tasks when all copies have caught up. The next assignment starts from this plan, and not from the places where tasks run at that time. */
  readonly plan: { readonly active: readonly GroupTask[]; readonly standbys: readonly GroupTask[] }
}

export interface TaskPlacement {
  readonly shares: ReadonlyMap<string, TaskShare>
  /** Tasks that need a capability that no process has. */
  readonly unassigned: readonly GroupTask[]
  /** True if no move waits for a warm-up. */
  readonly isBalanced: boolean
}

/**
 * Assigns tasks to processes. A task stays where it is unless balance or capabilities require a move. A task with state moves only to a process whose
 * copy has caught up; until then the copy warms up there (KIP-441).
 *
 * The plan says where tasks run after all moves. No single move can improve the plan, and it does not depend on lags. The next assignment starts from
 * the plan and makes the same plan again, so each task moves at most once while the members stay the same. The order of the input makes no
 * difference.
 */
export function assignTasks(tasks: readonly GroupTask[], processes: readonly GroupProcess[], settings: AssignmentSettings): TaskPlacement {
  const sorted = tasks.toSorted((a, b) => compareTaskIds(a.id, b.id))
  return new Assignment(sorted, inOrderOfTies(processes, sorted[0]?.subtopology ?? 0), settings).done()
}

class Assignment {
  readonly #processes: readonly GroupProcess[]
  readonly #settings: AssignmentSettings
  readonly #stateful: readonly GroupTask[]
  readonly #stateless: readonly GroupTask[]
  /** The processes that can run a sub-topology, by its number. */
  readonly #able = new Map<number, readonly boolean[]>()
  /** The processes whose previous plan has the task active, by task. */
  readonly #planned = new Map<TaskId, number[]>()
  readonly #shares: readonly OpenShare[]
  readonly #unassigned: GroupTask[] = []
  #isBalanced = true

  constructor(tasks: readonly GroupTask[], processes: readonly GroupProcess[], settings: AssignmentSettings) {
    this.#processes = processes
    this.#settings = settings
    this.#stateful = tasks.filter(({ isStateful }) => isStateful)
    this.#stateless = tasks.filter(({ isStateful }) => !isStateful)
    this.#shares = processes.map(() => ({ active: [], standbys: [], warmups: [], plan: { active: [], standbys: [] } }))
    for (const [at, { plan }] of processes.entries()) {
      for (const id of plan.active) this.#planned.set(id, [...(this.#planned.get(id) ?? []), at])
    }
    for (const task of tasks) {
      if (this.#able.has(task.subtopology)) continue
      const topics = tasks.filter(({ subtopology }) => subtopology === task.subtopology).flatMap(({ inputs }) => inputs.map(({ topic }) => topic))
      const distinct = [...new Set(topics)]
      this.#able.set(
        task.subtopology,
        processes.map((process) => hasAll(process.capabilities, task.needs) && distinct.every((topic) => process.topics.has(topic))),
      )
    }
  }

  done(): TaskPlacement {
    const none = this.#processes.map(() => 0)
    const stateful = this.#placeActive(this.#stateful, none)
    const statefulCounts = countsOf(stateful.even, none)
    const stateless = this.#placeActive(this.#stateless, statefulCounts)
    for (const [index, task] of this.#stateless.entries()) {
      const at = stateless.even[index] ?? null
      this.#give(task, at)
      if (at !== null) this.#shares[at]?.plan.active.push(task)
    }
    this.#placeState(stateful, countsOf(stateless.even, statefulCounts))
    return {
      shares: new Map(this.#processes.map(({ id }, at) => [id, this.#shares[at] ?? nothing])),
      unassigned: this.#unassigned.sort((a, b) => compareTaskIds(a.id, b.id)),
      isBalanced: this.#isBalanced,
    }
  }

  /** Plans the process of each task. */
  #placeActive(tasks: readonly GroupTask[], base: readonly number[]): Placed {
    return placeEvenly({
      weights: this.#processes.map(({ threads }) => threads),
      base,
      items: tasks.map((task) => ({ kind: task.subtopology, bin: this.#placeSoFar(task) })),
      mayHold: (item, at) => this.#isAble(tasks[item], at),
      cost: (item, at) => this.#cost(tasks[item], at),
    })
  }

  /**
   * The task's process in the previous plan. This process counts only if the task runs somewhere now, or if no other copy lacks fewer records.
   * Without a plan: the task's current owner.
   */
  #placeSoFar(task: GroupTask): number | null {
    const owner = this.#ownerToKeep(task)
    const planned = (this.#planned.get(task.id) ?? []).filter((at) => this.#isAble(task, at))
    // If a process returns with an old plan, two plans name the task.
    const [place] = planned.sort((a, b) => Number(b === owner) - Number(a === owner) || compare(this.#cost(task, a), this.#cost(task, b)) || a - b)
    if (place === undefined || owner !== null) return place ?? owner
    return this.#processes.some((_, at) => this.#isAble(task, at) && this.#cost(task, at) < this.#cost(task, place)) ? null : place
  }

  /** The task's current owner, unless its copy is behind and another process's copy has caught up. */
  #ownerToKeep(task: GroupTask): number | null {
    const owner = this.#processes.findIndex((process, at) => process.active.has(task.id) && this.#isAble(task, at))
    if (owner < 0) return null
    const isBehind = this.#cost(task, owner) > 0 && this.#processes.some((_, at) => this.#isAble(task, at) && this.#cost(task, at) === 0)
    return isBehind ? null : owner
  }

  #placeState(active: Placed, counts: readonly number[]): void {
    const copies = this.#placeStandbys(active.even, counts)
    const moves: WarmUp[] = []
    const standbyMoves: WarmUp[] = []
    for (const [index, task] of this.#stateful.entries()) {
      const wanted = active.even[index] ?? null
      const first = this.#ownerToKeep(task) ?? active.first[index] ?? null
      if (wanted === null || first === null) {
        this.#give(task, null)
        continue
      }
      const now = this.#cost(task, wanted) <= this.#cost(task, first) ? wanted : first
      this.#give(task, now)
      const standbys = new Set(copies[index])
      this.#shares[wanted]?.plan.active.push(task)
      for (const at of standbys) this.#shares[at]?.plan.standbys.push(task)
      // The two processes swap. Until the new owner has caught up, the current owner's copy is the standby.
      const swaps = standbys.delete(now)
      if (now !== wanted && swaps) this.#warmUp({ task, at: wanted })
      else if (now !== wanted) moves.push({ task, at: wanted })
      const kept = this.#processes.flatMap((process, at) =>
        at !== now && at !== wanted && !standbys.has(at) && process.standbys.has(task.id) && this.#isAble(task, at) && this.#isCaughtUp(task, at)
          ? [at]
          : [],
      )
      for (const at of standbys) {
        const instead = this.#isCaughtUp(task, at) ? undefined : kept.shift()
        this.#shares[instead ?? at]?.standbys.push(task)
        if (instead !== undefined) standbyMoves.push({ task, at })
      }
    }
    // Warm-ups that have restored most come first, so that no warm-up is given up for another.
    const byProgress = (a: WarmUp, b: WarmUp) => compare(this.#cost(a.task, a.at), this.#cost(b.task, b.at)) || compareTaskIds(a.task.id, b.task.id)
    const waiting = [...moves.sort(byProgress), ...standbyMoves.sort(byProgress)]
    for (const one of waiting.slice(0, this.#settings.maxWarmupReplicas)) this.#warmUp(one)
    if (waiting.length > 0) this.#isBalanced = false
  }

  /** Plans the processes of each stateful task's standbys. A standby is never in the process that runs the task. */
  #placeStandbys(active: readonly (number | null)[], base: readonly number[]): readonly (readonly number[])[] {
    const replicas = this.#settings.standbyReplicas
    const tasks = this.#stateful
    const isAllowed = (task: number, at: number) => active[task] !== null && active[task] !== at && this.#isAble(tasks[task], at)
    const keepers = tasks.map((task, index) => {
      const keep = (has: (process: GroupProcess) => boolean) => this.#processes.flatMap((one, at) => (has(one) && isAllowed(index, at) ? [at] : []))
      const byCost = (a: number, b: number) => compare(this.#cost(task, a), this.#cost(task, b)) || a - b
      const planned = keep(({ plan }) => plan.standbys.has(task.id)).sort(byCost)
      const others = keep(({ plan, standbys }) => standbys.has(task.id) && !plan.standbys.has(task.id)).sort(byCost)
      return [...planned, ...others]
    })
    const taskOf = (item: number) => Math.floor(item / replicas)
    const { even } = placeEvenly({
      weights: this.#processes.map(({ threads }) => threads),
      base,
      items: tasks.flatMap(({ subtopology }, index) =>
        Array.from({ length: replicas }, (_, replica) => ({ kind: subtopology, bin: keepers[index]?.[replica] ?? null })),
      ),
      mayHold: (item, at, bins) => {
        const index = taskOf(item)
        return isAllowed(index, at) && !bins.slice(index * replicas, (index + 1) * replicas).includes(at)
      },
      cost: (item, at) => this.#cost(tasks[taskOf(item)], at),
    })
    return tasks.map((_, index) => even.slice(index * replicas, (index + 1) * replicas).filter((at) => at !== null))
  }

  #give(task: GroupTask, at: number | null): void {
    if (at === null) this.#unassigned.push(task)
    else this.#shares[at]?.active.push(task)
  }

  #warmUp({ task, at }: WarmUp): void {
    this.#shares[at]?.warmups.push(task)
    this.#isBalanced = false
  }

  #isAble(task: GroupTask | undefined, at: number): boolean {
    return task !== undefined && (this.#able.get(task.subtopology)?.[at] ?? false)
  }

  #isCaughtUp(task: GroupTask, at: number): boolean {
    return this.#cost(task, at) === 0
  }

  /** The number of changelog records to read before the task can run in the process. An acceptable lag counts as 0. */
  #cost(task: GroupTask | undefined, at: number): number {
    if (task === undefined || !task.isStateful) return 0
    const lag = this.#processes[at]?.lags.get(task.id) ?? Number.POSITIVE_INFINITY
    return lag <= this.#settings.acceptableRecoveryLag ? 0 : lag
  }
}

interface WarmUp {
  readonly task: GroupTask
  readonly at: number
}

interface OpenShare extends TaskShare {
  readonly active: GroupTask[]
  readonly standbys: GroupTask[]
  readonly warmups: GroupTask[]
  readonly plan: { readonly active: GroupTask[]; readonly standbys: GroupTask[] }
}

const nothing: TaskShare = { active: [], standbys: [], warmups: [], plan: { active: [], standbys: [] } }

/**
 * Processes by id, rotated by the number of the first sub-topology. Without the rotation, the leftover task of every group would go to the same
 * process.
 */
function inOrderOfTies(processes: readonly GroupProcess[], first: number): readonly GroupProcess[] {
  const sorted = processes.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const start = sorted.length === 0 ? 0 : first % sorted.length
  return [...sorted.slice(start), ...sorted.slice(0, start)]
}

function countsOf(bins: readonly (number | null)[], base: readonly number[]): readonly number[] {
  const counts = [...base]
  for (const bin of bins) if (bin !== null) counts[bin] = (counts[bin] ?? 0) + 1
  return counts
}

/** Compares numbers that may both be infinite. Their difference would be NaN. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1
}
