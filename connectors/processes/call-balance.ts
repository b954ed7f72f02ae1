import { batchesOf } from './open-calls.ts'
import type { WatchedProcess } from './watched-process.ts'

/**
 * The processes of one bee in all its pools. A call that waits for a busy or restarting process moves to a process that is free. The calls of a batch
 * stay together.
 */
export class CallBalance {
  #members: readonly WatchedProcess[] = []

  /** Adds the process that `make` starts. The process calls `onChange` when it becomes ready, dies, or has no calls left. */
  add(make: (onChange: () => void) => WatchedProcess): WatchedProcess {
    const member = make(() => queueMicrotask(() => this.#balance()))
    this.#members = [...this.#members.filter(({ isClosed }) => !isClosed), member]
    return member
  }

  #balance(): void {
    const members = this.#members.filter(({ isClosed }) => !isClosed)
    const ready = members.filter(({ isReady }) => isReady)
    if (ready.length === 0) return
    for (const member of members) {
      if (!member.isReady) for (const batch of batchesOf(member.takeWaiting())) leastOf(ready).adopt(batch)
    }
    for (const idle of ready.filter(({ load }) => load === 0)) {
      const busiest = members.reduce((most, one) => (one.waiting > most.waiting ? one : most))
      if (busiest.waiting > 0) idle.adopt(busiest.takeWaiting(Math.ceil(busiest.waiting / 2)))
    }
  }
}

/** The process with the fewest calls; among equals, the first in the list. */
export function leastOf(members: readonly WatchedProcess[]): WatchedProcess {
  return members.reduce((least, one) => (one.load < least.load ? one : least))
}

/** The balances of groups of processes. A process without a group is alone. */
export class CallBalances {
  readonly #byGroup = new WeakMap<object, CallBalance>()

  of(group: object = {}): CallBalance {
    const balance = this.#byGroup.get(group) ?? new CallBalance()
    this.#byGroup.set(group, balance)
    return balance
  }
}
