import type { OpenProcess, ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { batchesOf } from './open-calls.ts'
import type { WatchedProcess } from './watched-process.ts'

/**
 * Several processes of one bee. A call goes to the ready process with the fewest calls; among several of those, to the one that has waited longest for
 * a call. The calls of a batch stay together. Calls that wait for a process that is busy or that starts again go to one that could do them now.
 */
export class ProcessPool implements OpenProcess {
  /** The process that has waited longest for a call comes first. */
  #members: readonly WatchedProcess[]

  /** `make` starts one process. It calls back when the process becomes ready, dies, or has no calls left. */
  constructor(count: number, make: (onChange: () => void) => WatchedProcess) {
    this.#members = Array.from({ length: count }, () => make(() => queueMicrotask(() => this.#balance())))
  }

  /** Settles when all processes have said hello. Rejects if one cannot start; the others are closed then. */
  async start(): Promise<void> {
    try {
      await Promise.all(this.#members.map(({ started }) => started))
    } catch (error) {
      await Promise.all(this.#members.map((member) => member.close()))
      throw error
    }
  }

  get isReady(): boolean {
    return this.#ready.length > 0
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (BeeResult | WaggleError)[]> {
    const member = leastOf(this.#ready.length > 0 ? this.#ready : this.#members)
    this.#members = [...this.#members.filter((one) => one !== member), member]
    return member.call(calls)
  }

  async close(next?: OpenProcess): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close(next)))
  }

  get #ready(): readonly WatchedProcess[] {
    return this.#members.filter(({ isReady }) => isReady)
  }

  #balance(): void {
    const ready = this.#ready
    if (ready.length === 0) return
    for (const member of this.#members) {
      if (!member.isReady) for (const batch of batchesOf(member.takeWaiting())) leastOf(ready).adopt(batch)
    }
    for (const idle of ready.filter(({ load }) => load === 0)) {
      const busiest = this.#members.reduce((most, one) => (one.waiting > most.waiting ? one : most))
      if (busiest.waiting > 0) idle.adopt(busiest.takeWaiting(Math.ceil(busiest.waiting / 2)))
    }
  }
}

function leastOf(members: readonly WatchedProcess[]): WatchedProcess {
  return members.reduce((least, one) => (one.load < least.load ? one : least))
}
