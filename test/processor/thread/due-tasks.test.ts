import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Task } from '../../../processor/task/task.ts'
import { DueTasks } from '../../../processor/thread/due-tasks.ts'

const tasks = Array.from({ length: 12 }, (_, id) => ({ id: String(id) }) as Task)

it('Due tasks come in the order of their times, after any changes of these times', () => {
  const step = fc.record({ task: fc.nat(tasks.length - 1), at: fc.oneof(fc.nat(30), fc.constant(Number.POSITIVE_INFINITY)), isTaken: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const due = new DueTasks()
      const model = new Map<Task, number>()
      for (const { task: index, at, isTaken } of steps) {
        const task = tasks[index] as Task
        if (isTaken) {
          const taken = due.take(at)
          const earliest = Math.min(...model.values())
          if (taken === null) assert.ok(model.size === 0 || earliest > at)
          else assert.equal(model.get(taken), earliest)
          if (taken !== null) model.delete(taken)
        } else {
          due.set(task, at)
          if (at === Number.POSITIVE_INFINITY) model.delete(task)
          else model.set(task, at)
        }
        assert.equal(due.next, Math.min(Number.POSITIVE_INFINITY, ...model.values()))
      }
    }),
  )
})
