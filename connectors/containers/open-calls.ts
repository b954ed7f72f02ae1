import type { ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { Trials } from './trials.ts'

export interface OpenCall {
  readonly call: ProcessCall
  /** The calls that came together with this one. */
  readonly batch: readonly ProcessCall[]
  readonly settle: (outcome: BeeResult | WaggleError) => void
  /** The process that has the call, or will have it. */
  owner: { giveUp(call: OpenCall): void }
  attempts: number
  /** The number of times that the process died during this call. */
  deaths: number
  /** The number of results when the call was sent. If no result has come until the call times out, the process hangs. */
  sentAt: number
}

/** The calls of one process: those that it has, those that are tried again after its death, and those that wait. */
export class OpenCalls {
  /** Calls that the process has, by id, in the order of sending. */
  readonly #sent = new Map<number, OpenCall>()
  /** Ids of calls that nobody waits for. Their results may still come, and are ignored. */
  readonly #givenUp = new Map<number, OpenCall>()
  readonly #trials = new Trials<OpenCall>()
  #waiting: OpenCall[] = []
  #nextId = 1
  #results = 0

  get isEmpty(): boolean {
    return this.#sent.size === 0 && this.#waiting.length === 0 && this.#trials.isEmpty
  }

  /** True while the process works on nothing. */
  get isAtRest(): boolean {
    return this.#sent.size === 0
  }

  /** The number of calls that are not settled. */
  get size(): number {
    return this.#sent.size + this.#waiting.length + this.#trials.size
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** The number of calls that the process has left without a result, although nobody waits for it any more. */
  get givenUpCount(): number {
    return this.#givenUp.size
  }

  /** True while the calls of the last death are tried again. No other call is sent then, so that the next death is the fault of one of them. */
  get isTrial(): boolean {
    if (!this.#trials.isEmpty) return true
    const [first] = this.#sent.values()
    return first !== undefined && first.deaths > 0
  }

  add(...calls: readonly OpenCall[]): void {
    this.#waiting.push(...calls)
  }

  /** The calls that are sent next, together; empty if none may be sent now. `isFull`: the process has not read what it was sent. */
  next(window: number, isFull: boolean): readonly OpenCall[] {
    const room = window - this.#sent.size - this.#givenUp.size
    if (room <= 0) return []
    if (this.#sent.size === 0 && !this.#trials.isEmpty) return this.#trials.next(room)
    const [first] = this.#waiting
    if (first === undefined || this.isTrial || (isFull && this.#sent.size > 0)) return []
    const count = this.#waiting.findIndex(({ batch }, at) => at === room || batch !== first.batch)
    return this.#waiting.splice(0, count < 0 ? this.#waiting.length : count)
  }

  /** Gives a call that is sent now its id. */
  idOf(call: OpenCall): number {
    const id = this.#nextId++
    call.attempts++
    call.sentAt = this.#results
    this.#sent.set(id, call)
    return id
  }

  /** Takes back a call that cannot be sent. */
  withdraw(id: number): void {
    this.#sent.delete(id)
  }

  /** Settles the call with this id. False if no open call has it. */
  answer(id: number, outcome: BeeResult | WaggleError): boolean {
    const call = this.#sent.get(id)
    if (call === undefined) {
      if (!this.#givenUp.delete(id)) return false
      this.#results++
      return true
    }
    this.#sent.delete(id)
    this.#results++
    call.settle(outcome)
    return true
  }

  /** Forgets a call that nobody waits for. Returns its id if the process has it, else null. */
  giveUp(call: OpenCall): number | null {
    const waits = this.#waiting.indexOf(call)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    this.#trials.delete(call)
    for (const [id, one] of this.#sent) {
      if (one !== call) continue
      this.#sent.delete(id)
      this.#givenUp.set(id, call)
      return id
    }
    return null
  }

  /** True if the process has not answered this call, which nobody waits for, and no other one since it was sent. */
  hangsSince(id: number): boolean {
    return this.#givenUp.get(id)?.sentAt === this.#results
  }

  isGivenUp(id: number): boolean {
    return this.#givenUp.has(id)
  }

  /** Takes the calls of a process that has died, in the order of sending. */
  takeSent(): readonly OpenCall[] {
    const sent = [...this.#sent.values()]
    this.#sent.clear()
    this.#givenUp.clear()
    return sent
  }

  /** Sends the calls of a death again in groups. */
  tryAgain(calls: readonly OpenCall[]): void {
    if (calls.length > 0) this.#trials.split(calls)
  }

  /** Sends calls again side by side, before those that wait. */
  sendAgain(calls: readonly OpenCall[]): void {
    this.#waiting.unshift(...calls)
  }

  /** Takes calls that were never sent: the last `count`, and further ones so that no batch is torn. */
  takeWaiting(count: number): readonly OpenCall[] {
    let from = Math.max(0, this.#waiting.length - count)
    while (from > 0 && this.#waiting[from - 1]?.batch === this.#waiting[from]?.batch) from--
    return this.#waiting.splice(from)
  }

  /** Takes all calls that the process does not have. */
  takeUnsent(): readonly OpenCall[] {
    return [...this.#trials.takeAll(), ...this.#waiting.splice(0)]
  }
}

/** Calls, one after the other, by the batches that they came in. */
export function batchesOf(calls: readonly OpenCall[]): readonly (readonly OpenCall[])[] {
  const batches: OpenCall[][] = []
  for (const call of calls) {
    const last = batches.at(-1)
    if (last?.[0]?.batch === call.batch) last.push(call)
    else batches.push([call])
  }
  return batches
}
