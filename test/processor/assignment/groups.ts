import fc from 'fast-check'
import type { AssignmentSettings, GroupProcess, TaskPlacement } from '../../../processor/assignment/assign-tasks.ts'
import { type GroupTask, taskId } from '../../../processor/assignment/group-task.ts'

/** Groups in any state that a leader may find: any owners, any copies, any earlier plan. */

export interface SubtopologyShape {
  readonly partitions: number
  readonly isStateful: boolean
  readonly gpus: number
}

export const defaults: AssignmentSettings = { standbyReplicas: 0, acceptableRecoveryLag: 10_000, maxWarmupReplicas: 2 }

export function tasksOfShapes(shapes: readonly SubtopologyShape[]): readonly GroupTask[] {
  return shapes.flatMap(({ partitions, isStateful, gpus }, subtopology) =>
    Array.from({ length: partitions }, (_, partition) => ({
      id: taskId(subtopology, partition),
      subtopology,
      partition,
      inputs: [{ topic: `in-${subtopology}`, partition }],
      isStateful,
      needs: gpus === 0 ? {} : { gpu: gpus },
    })),
  )
}

export function process(id: string, options: Partial<GroupProcess> = {}): GroupProcess {
  const topics = new Set(Array.from({ length: 10 }, (_, subtopology) => `in-${subtopology}`))
  return {
    id,
    threads: 1,
    capabilities: {},
    topics,
    active: new Set(),
    standbys: new Set(),
    plan: { active: new Set(), standbys: new Set() },
    lags: new Map(),
    ...options,
  }
}

export function processes(count: number): readonly GroupProcess[] {
  return Array.from({ length: count }, (_, number) => process(`process-${number}`))
}

export interface Group {
  readonly tasks: readonly GroupTask[]
  readonly processes: readonly GroupProcess[]
  readonly settings: AssignmentSettings
}

const rarely = fc.nat(5).map((number) => number === 5)
const lag = fc.oneof(fc.constant(null), fc.constant(0), fc.nat(20_000), fc.nat(5_000_000))

export function shapes({ gpus }: { readonly gpus: boolean }): fc.Arbitrary<readonly SubtopologyShape[]> {
  const shape = { partitions: fc.integer({ min: 1, max: 9 }), isStateful: fc.boolean(), gpus: gpus ? fc.constantFrom(0, 0, 1, 2) : fc.constant(0) }
  return fc.array(fc.record(shape), { minLength: 1, maxLength: 5 })
}

/** A group in any state. With `alike`, its processes have one thread each and no GPU, and no task needs one. */
export function anyGroup({ alike = false }: { readonly alike?: boolean } = {}): fc.Arbitrary<Group> {
  const machine = alike
    ? fc.constant({ threads: 1, gpus: 0 })
    : fc.record({ threads: fc.integer({ min: 1, max: 3 }), gpus: fc.constantFrom(0, 0, 1, 2) })
  return fc
    .record({
      tasks: shapes({ gpus: !alike }).map(tasksOfShapes),
      machines: fc.array(machine, { maxLength: 6 }),
      standbyReplicas: fc.nat(2),
      maxWarmupReplicas: fc.integer({ min: 1, max: 3 }),
    })
    .chain(({ tasks, machines, ...settings }) => {
      const copy = fc.record({ lag, isStandby: fc.boolean(), isPlanned: rarely, isPlannedStandby: rarely })
      const state = fc.record({
        owner: fc.option(fc.nat(Math.max(0, machines.length - 1))),
        copies: fc.array(copy, { minLength: machines.length, maxLength: machines.length }),
      })
      return fc.array(state, { minLength: tasks.length, maxLength: tasks.length }).map((states) => ({
        tasks,
        settings: { ...defaults, ...settings },
        processes: machines.map(({ threads, gpus }, machine) => {
          const lags = states.flatMap(({ copies }, at) => {
            const id = tasks[at]?.id
            const behind = copies[machine]?.lag ?? null
            return id === undefined || behind === null || tasks[at]?.isStateful !== true ? [] : [[id, behind] as const]
          })
          return process(`process-${machine}`, {
            threads,
            capabilities: { gpu: gpus },
            active: new Set(tasks.filter((_, at) => states[at]?.owner === machine).map(({ id }) => id)),
            standbys: new Set(
              tasks
                .filter(({ isStateful }, at) => isStateful && states[at]?.owner !== machine && states[at]?.copies[machine]?.isStandby)
                .map(({ id }) => id),
            ),
            plan: {
              active: new Set(tasks.filter((_, at) => states[at]?.copies[machine]?.isPlanned).map(({ id }) => id)),
              standbys: new Set(
                tasks.filter(({ isStateful }, at) => isStateful && states[at]?.copies[machine]?.isPlannedStandby).map(({ id }) => id),
              ),
            },
            lags: new Map(lags),
          })
        }),
      }))
    })
}

/** The processes some time after an assignment. Each process has its assigned tasks. Its copies have caught up, or are behind by `lagOf`. */
export function caughtUp(before: readonly GroupProcess[], { shares }: TaskPlacement, lagOf = () => 0): readonly GroupProcess[] {
  return before.map((one) => {
    const share = shares.get(one.id) ?? { active: [], standbys: [], warmups: [], plan: { active: [], standbys: [] } }
    const copies = [...share.standbys, ...share.warmups]
    return {
      ...one,
      active: new Set(share.active.map(({ id }) => id)),
      standbys: new Set(share.standbys.map(({ id }) => id)),
      plan: { active: new Set(share.plan.active.map(({ id }) => id)), standbys: new Set(share.plan.standbys.map(({ id }) => id)) },
      lags: new Map([
        ...share.active.filter(({ isStateful }) => isStateful).map(({ id }) => [id, 0] as const),
        ...copies.map(({ id }) => [id, one.lags.get(id) === 0 ? 0 : lagOf()] as const),
      ]),
    }
  })
}

export function ownersOf({ shares }: TaskPlacement): ReadonlyMap<string, string> {
  return new Map([...shares].flatMap(([process, { active }]) => active.map(({ id }) => [id, process] as const)))
}

export function movedBetween(before: TaskPlacement, after: TaskPlacement): readonly string[] {
  const owners = ownersOf(after)
  return [...ownersOf(before)].filter(([id, owner]) => owners.get(id) !== owner).map(([id]) => id)
}
