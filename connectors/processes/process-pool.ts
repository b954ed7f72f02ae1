import type { OpenProcess, ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { type CallBalance, leastOf } from './call-balance.ts'
import type { WatchedProcess } from './watched-process.ts'

/**
 * Several processes of one bee. A call goes to the ready process with the fewest calls. Among equals, the call goes to the process that has waited
 * longest for a call. The calls of a batch stay together.
 */
export class ProcessPool implements OpenProcess {
  /** The processes. The process that has waited longest for a call comes first. */
  #members: readonly WatchedProcess[]

  /** `make` starts one process. The process reports its changes to the balance by `onChange`. */
  constructor(count: number, balance: CallBalance, make: (onChange: () => void) => WatchedProcess) {
    this.#members = Array.from({ length: count }, () => balance.add(make))
  }

  /** Settles when all processes have said hello. Rejects if one of the processes cannot start; the other processes are then closed. */
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

  get wantsParts(): boolean {
    return this.#members.some(({ wantsParts }) => wantsParts)
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
}
