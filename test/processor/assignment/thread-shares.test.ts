import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { TaskShare } from '../../../processor/assignment/assign-tasks.ts'
import type { TaskId } from '../../../processor/assignment/group-task.ts'
import { shareAmongThreads } from '../../../processor/assignment/thread-shares.ts'
import { shapes, tasksOfShapes } from './groups.ts'

describe('A process’s share of tasks', () => {
  const nothing: TaskShare = { active: [], standbys: [], warmups: [], plan: { active: [], standbys: [] } }
  const thread = (id: string, active: readonly TaskId[] = []) => ({
    id,
    active: new Set(active),
    planned: new Set<TaskId>(),
    copies: new Set<TaskId>(),
  })

  it('is split so that each task has one thread, and the threads’ numbers of tasks differ by at most one', () => {
    fc.assert(
      fc.property(shapes({ gpus: false }).map(tasksOfShapes), fc.integer({ min: 1, max: 5 }), (tasks, count) => {
        const threads = Array.from({ length: count }, (_, at) => thread(`t${at}`))
        const shares = [...shareAmongThreads({ ...nothing, active: tasks }, threads).values()]
        assert.deepEqual(shares.flatMap(({ active }) => active.map(({ id }) => id)).sort(), tasks.map(({ id }) => id).sort())
        for (const isMeant of [(isStateful: boolean) => isStateful, (isStateful: boolean) => !isStateful, () => true]) {
          const counts = shares.map(({ active }) => active.filter(({ isStateful }) => isMeant(isStateful)).length)
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
        }
      }),
    )
  })

  it('stays with the threads that have the tasks', () => {
    const tasks = tasksOfShapes([{ partitions: 4, isStateful: true, gpus: 0 }])
    const threads = [thread('a', ['0_3', '0_1']), thread('b', ['0_0', '0_2'])]
    const shares = shareAmongThreads({ ...nothing, active: tasks }, threads)
    assert.deepEqual(
      shares.get('a')?.active.map(({ id }) => id),
      ['0_1', '0_3'],
    )
  })

  it('is split in the same way after threads have released the moving tasks', () => {
    const any = shapes({ gpus: false })
      .map(tasksOfShapes)
      .chain((tasks) =>
        fc.record({
          count: fc.integer({ min: 1, max: 4 }),
          states: fc.tuple(
            ...tasks.map((task) =>
              fc.record({ task: fc.constant(task), thread: fc.option(fc.nat(3)), isToCome: fc.boolean(), isPlanned: fc.boolean() }),
            ),
          ),
        }),
      )
    fc.assert(
      fc.property(any, ({ count, states }) => {
        const tasks = states.map(({ task }) => task)
        const share = {
          ...nothing,
          active: states.filter(({ isToCome }) => !isToCome).map(({ task }) => task),
          plan: { active: tasks, standbys: tasks },
        }
        const before = Array.from({ length: count }, (_, at) => {
          const own = states.filter(({ thread }) => thread === at)
          const planned = new Set(own.filter(({ isPlanned }) => isPlanned).map(({ task }) => task.id))
          return {
            ...thread(
              `t${at}`,
              own.filter(({ isToCome }) => !isToCome).map(({ task }) => task.id),
            ),
            planned,
          }
        })
        const first = shareAmongThreads(share, before)
        const letGo = before.map((one) => {
          const { active = [], plan } = first.get(one.id) ?? {}
          return {
            ...one,
            active: new Set(active.map(({ id }) => id).filter((id) => one.active.has(id))),
            planned: new Set(plan?.active.map(({ id }) => id)),
          }
        })
        assert.deepEqual(shareAmongThreads(share, letGo), first)
        assert.deepEqual([...first.values()].flatMap(({ plan }) => plan.active.map(({ id }) => id)).sort(), tasks.map(({ id }) => id).sort())
      }),
      { numRuns: 300 },
    )
  })

  it('puts copies on the threads with the fewest tasks', () => {
    const [running, copied] = tasksOfShapes([{ partitions: 2, isStateful: true, gpus: 0 }])
    assert.ok(running !== undefined && copied !== undefined)
    const shares = shareAmongThreads({ ...nothing, active: [running], standbys: [copied] }, [thread('a'), thread('b')])
    assert.deepEqual(
      [...shares].map(([id, { active, standbys }]) => [id, active.length, standbys.length]),
      [
        ['a', 1, 0],
        ['b', 0, 1],
      ],
    )
  })
})
