import type { Task, TaskWatcher } from '../task/task.ts'
import { DueTasks } from './due-tasks.ts'

/**
 * The tasks of one thread that have something to do, and those that have something to commit. Events fill both lists: records that came, outcomes of
 * asynchronous nodes, schedules that are due. A turn and a commit cost what is in these lists, and never what the thread has been assigned.
 */
export class ActiveTasks implements TaskWatcher {
  /** In the order of their turns. */
  readonly #ready = new Set<Task>()
  /** Tasks that have had a pass since the last commit was closed. */
  readonly #touched = new Set<Task>()
  readonly #due = new DueTasks()

  /** Takes up a task that was opened. Its first pass and its first commit hold what its nodes did when they were made. */
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

  /** Tasks that have something to do. */
  get ready(): Iterable<Task> {
    return this.#ready
  }

  /** Epoch ms of the earliest schedule of a task that waits for it; infinite where none waits. */
  get nextDue(): number {
    return this.#due.next
  }

  /**
   * Calls `pass` once for each task that has something to do, until it returns false. A task that still has something to do afterwards goes to the end:
   * none is always the last to get its turn.
   */
  each(now: number, pass: (task: Task) => boolean): void {
    for (let task = this.#due.take(now); task !== null; task = this.#due.take(now)) this.#ready.add(task)
    let turns = this.#ready.size
    for (const task of this.#ready) {
      if (turns-- === 0) return
      this.#touched.add(task)
      const goesOn = pass(task)
      this.#ready.delete(task)
      if (task.hasWork(now)) this.#ready.add(task)
      if (!goesOn) return
    }
  }

  /** Tasks that may have something that no commit holds. */
  get touched(): Iterable<Task> {
    return this.#touched
  }

  /** The touched tasks. They are not touched any more. */
  takeTouched(): readonly Task[] {
    const touched = [...this.#touched]
    this.#touched.clear()
    return touched
  }
}
