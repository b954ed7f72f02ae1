/**
 * Finds the call that kills a process. After a death, the open calls are divided into groups, and each group is sent again by itself. If the process
 * dies while it has a group, that group is divided again.
 *
 * The oldest call is a group of its own, because a process that works in order dies at the oldest call. The other calls are halved. Among n calls, a
 * killing call is found after two deaths if it is the oldest call, else after at most 3 + log2(n) deaths. The calls of a group are sent together.
 */
export class KillingCallSearch<Call> {
  #groups: (readonly Call[])[] = []

  get isEmpty(): boolean {
    return this.#groups.length === 0
  }

  get size(): number {
    return this.#groups.reduce((sum, { length }) => sum + length, 0)
  }

  /** Divides open calls into groups. The caller gives the calls in the order in which they were sent. */
  split(open: readonly Call[]): void {
    const half = 1 + Math.ceil((open.length - 1) / 2)
    const groups = [open.slice(0, 1), open.slice(1, half), open.slice(half)].filter(({ length }) => length > 0)
    this.#groups = [...groups, ...this.#groups]
  }

  /** The next group; empty if no group is left. If the group has more than `max` calls, the remaining calls become another group. */
  next(max = Number.POSITIVE_INFINITY): readonly Call[] {
    const group = this.#groups.shift() ?? []
    if (group.length > max) this.#groups.unshift(group.slice(max))
    return group.slice(0, max)
  }

  delete(call: Call): void {
    this.#groups = this.#groups.map((group) => group.filter((one) => one !== call)).filter(({ length }) => length > 0)
  }

  /** Takes all remaining calls. */
  takeAll(): readonly Call[] {
    return this.#groups.splice(0).flat()
  }
}
