/**
 * Finds the call that kills a process. Calls that were open at a death are divided into groups. Each group is sent again while no other call is open, and a
 * group at whose trial the process dies is divided again. The oldest call gets its own group, since a process that works in order dies at the oldest; the
 * others are halved. One killing call among n is found within two deaths if it is the oldest, and always within 3 + log2(n). The calls of a group run
 * side by side.
 */
export class Trials<Call> {
  #groups: (readonly Call[])[] = []

  get isEmpty(): boolean {
    return this.#groups.length === 0
  }

  /** Divides open calls, given in the order in which they were sent, into groups. */
  split(open: readonly Call[]): void {
    const half = 1 + Math.ceil((open.length - 1) / 2)
    const groups = [open.slice(0, 1), open.slice(1, half), open.slice(half)].filter(({ length }) => length > 0)
    this.#groups = [...groups, ...this.#groups]
  }

  /** The next group; empty when there is none. */
  next(): readonly Call[] {
    return this.#groups.shift() ?? []
  }

  delete(call: Call): void {
    this.#groups = this.#groups.map((group) => group.filter((one) => one !== call)).filter(({ length }) => length > 0)
  }

  /** Takes all calls that are left. */
  takeAll(): readonly Call[] {
    return this.#groups.splice(0).flat()
  }
}
