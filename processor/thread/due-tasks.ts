import type { Task } from '../task/task.ts'

/** Tasks in the order of their next wall-clock schedules: a binary heap that knows the index of each task. */
export class DueTasks {
  readonly #heap: { readonly task: Task; at: number }[] = []
  readonly #indexes = new Map<Task, number>()

  /** The time of the earliest schedule, in epoch ms; infinite if there is no schedule. */
  get next(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Sets a task's time in epoch ms. An infinite time removes the task. */
  set(task: Task, at: number): void {
    if (at === Number.POSITIVE_INFINITY) {
      this.remove(task)
      return
    }
    const index = this.#indexes.get(task)
    const entry = index === undefined ? undefined : this.#heap[index]
    if (index === undefined || entry === undefined) {
      this.#heap.push({ task, at })
      this.#up(this.#heap.length - 1)
      return
    }
    entry.at = at
    this.#up(index)
    this.#down(this.#indexes.get(task) ?? index)
  }

  remove(task: Task): void {
    const index = this.#indexes.get(task)
    if (index === undefined) return
    this.#indexes.delete(task)
    const last = this.#heap.pop()
    if (last === undefined || last.task === task) return
    this.#put(index, last)
    this.#up(index)
    this.#down(this.#indexes.get(last.task) ?? index)
  }

  /** Removes and returns the earliest task if it is due; else null. */
  take(now: number): Task | null {
    const first = this.#heap[0]
    if (first === undefined || first.at > now) return null
    this.remove(first.task)
    return first.task
  }

  #put(index: number, entry: { readonly task: Task; at: number }): void {
    this.#heap[index] = entry
    this.#indexes.set(entry.task, index)
  }

  #up(from: number): void {
    const entry = this.#heap[from]
    if (entry === undefined) return
    let at = from
    while (at > 0) {
      const above = (at - 1) >>> 1
      const parent = this.#heap[above]
      if (parent === undefined || parent.at <= entry.at) break
      this.#put(at, parent)
      at = above
    }
    this.#put(at, entry)
  }

  #down(from: number): void {
    const entry = this.#heap[from]
    if (entry === undefined) return
    let at = from
    for (;;) {
      const left = this.#heap[2 * at + 1]
      const right = this.#heap[2 * at + 2]
      const isRight = left !== undefined && right !== undefined && right.at < left.at
      const child = isRight ? right : left
      if (child === undefined || child.at >= entry.at) break
      this.#put(at, child)
      at = isRight ? 2 * at + 2 : 2 * at + 1
    }
    this.#put(at, entry)
  }
}
