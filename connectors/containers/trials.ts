/**
 * Calls that were open when a process died, in groups: each group is sent again when nothing else is open, and a group whose process dies again is
 * split. The oldest call stands alone, since a process that works through its input in order dies at it; the others are halved. So one call that
 * kills is found among n within two deaths where it is the oldest, within 3 + log2(n) always, and the calls of a group run side by side.
 */
export class Trials<Call> {
  #groups: (readonly Call[])[] = []

  get isEmpty(): boolean {
    return this.#groups.length === 0
  }

  /** `open` in the order in which they were sent. */
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

  /** All that are left, which leave. */
  takeAll(): readonly Call[] {
    return this.#groups.splice(0).flat()
  }
}
