import type { Task, TaskWatcher } from '../task/task.ts'
import { DueTasks } from './due-tasks.ts'

/**
 * The tasks of one thread that have work, and those that have something to commit. New records, outcomes of asynchronous nodes and due schedules add
 * tasks to these lists. So idle tasks cost nothing in a pass of the thread's loop, nor in a commit.
 */
export class ReadyTasks implements TaskWatcher {
  /** Tasks with work, in the order in which they are processed. */
  readonly #ready = new Set<Task>()
  /** Tasks that have been processed since the last commit was sealed. */
  readonly #touched = new Set<Task>()
  readonly #due = new DueTasks()

  /** Adds an opened task. Its first pass and its first commit include the work of its nodes' `init`. */
  open(task: Task): void {
    this.#ready.add(task)
    this.#touched.add(task)
    this.scheduled(task)
    task.watch(this)
  }

  close(task: Task): void {
    this.#ready.delete(task)
    this.#touched.delete(task)
    this.#due.remove(task)
  }

  activated(task: Task): void {
    this.#ready.add(task)
  }

  scheduled(task: Task): void {
    this.#due.set(task, task.punctuations.nextWallClock)
  }

  get all(): Iterable<Task> {
    return this.#ready
  }

  /** The time of the earliest schedule of a task without other work, in epoch ms; infinite if there is no such task. */
  get nextDue(): number {
    return this.#due.next
  }

  /**
   * Calls `pass` once for each task with work, until `pass` returns false. A task that still has work goes to the end, so that it does not delay the
   * other tasks.
   */
  each(now: number, pass: (task: Task) => boolean): void {
    for (let task = this.#due.take(now); task !== null; task = this.#due.take(now)) this.#ready.add(task)
    let left = this.#ready.size
    for (const task of this.#ready) {
      if (left-- === 0) return
      this.#touched.add(task)
      const goesOn = pass(task)
      this.#ready.delete(task)
      if (task.hasWork(now)) this.#ready.add(task)
      if (!goesOn) return
    }
  }

  /** Tasks that may have uncommitted work. */
  get touched(): Iterable<Task> {
    return this.#touched
  }

  /** Returns the touched tasks and empties their list. */
  takeTouched(): readonly Task[] {
    const touched = [...this.#touched]
    this.#touched.clear()
    return touched
  }
}
