import type { ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { maxWindow } from './hello.ts'
import { KillingCallSearch } from './killing-call-search.ts'

export interface OpenCall {
  readonly call: ProcessCall
  /** All calls that came in one batch with this call. */
  readonly batch: readonly ProcessCall[]
  readonly settle: (outcome: BeeResult | WaggleError) => void
  /** The process that has the call, or that will get it. */
  owner: { giveUp(call: OpenCall): void }
  attempts: number
  /** The number of times that the process died during this call. */
  deaths: number
  /**
   * The number of results that the process had given when the call was sent. If the number is unchanged when the call times out, the process hangs.
   */
  sentAt: number
}

/** The calls of one process: calls that were sent to the process, calls that are tried again after its death, and calls that wait. */
export class OpenCalls {
  /** Calls that the process has, by id, in the order of sending. */
  readonly #sent = new Map<number, OpenCall>()
  /** Ids of calls that nobody waits for. Their results may still come, and are ignored. */
  readonly #givenUp = new Map<number, OpenCall>()
  /** The ids of the requests that ended last, the oldest first. */
  readonly #ended = new Set<string>()
  readonly #search = new KillingCallSearch<OpenCall>()
  #waiting: OpenCall[] = []
  #nextId = 1
  #results = 0

  get isEmpty(): boolean {
    return this.#sent.size === 0 && this.#waiting.length === 0 && this.#search.isEmpty
  }

  /** True while the process has no calls. */
  get isAtRest(): boolean {
    return this.#sent.size === 0
  }

  /** The number of calls without an outcome. */
  get size(): number {
    return this.#sent.size + this.#waiting.length + this.#search.size
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** The number of calls that nobody waits for any more and that the process has not answered. */
  get givenUpCount(): number {
    return this.#givenUp.size
  }

  /**
   * True while the calls that were open at the last death are tried again. No other call is sent meanwhile, so that the next death is the fault of
   * one of the tried calls.
   */
  get isTrial(): boolean {
    if (!this.#search.isEmpty) return true
    const [first] = this.#sent.values()
    return first !== undefined && first.deaths > 0
  }

  add(...calls: readonly OpenCall[]): void {
    this.#waiting.push(...calls)
  }

  /**
   * The calls to send next, together; empty if no call may be sent now. `isFull` is true while the process has not read everything that was sent to
   * it.
   */
  next(window: number, isFull: boolean): readonly OpenCall[] {
    const room = window - this.#sent.size - this.#givenUp.size
    if (room <= 0) return []
    if (this.#sent.size === 0 && !this.#search.isEmpty) return this.#search.next(room)
    const [first] = this.#waiting
    if (first === undefined || this.isTrial || (isFull && this.#sent.size > 0)) return []
    const count = this.#waiting.findIndex(({ batch }, at) => at === room || batch !== first.batch)
    return this.#waiting.splice(0, count < 0 ? this.#waiting.length : count)
  }

  /** Gives a call its id, when the call is sent. */
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

  /** Gives the call with this id its outcome. Returns false if no open call has this id. */
  answer(id: number, outcome: BeeResult | WaggleError): boolean {
    const call = this.#sent.get(id)
    if (call === undefined) {
      const givenUp = this.#givenUp.get(id)
      if (givenUp === undefined) return false
      this.#givenUp.delete(id)
      this.#noteEnd(givenUp)
      this.#results++
      return true
    }
    this.#sent.delete(id)
    this.#noteEnd(call)
    this.#results++
    call.settle(outcome)
    return true
  }

  /** True if the process has a call of this request, or one of the last calls that it ended is of this request. */
  hasRequest(id: string): boolean {
    if (this.#ended.has(id)) return true
    return [this.#sent, this.#givenUp].some((calls) => calls.values().some(({ call }) => call.id === id))
  }

  #noteEnd({ call: { id } }: OpenCall): void {
    this.#ended.delete(id)
    this.#ended.add(id)
    const [oldest] = this.#ended
    if (this.#ended.size > maxEnded && oldest !== undefined) this.#ended.delete(oldest)
  }

  /** The open call with this id; null if the process has no call with this id. */
  sent(id: number): OpenCall | null {
    return this.#sent.get(id) ?? null
  }

  /** Forgets a call that nobody waits for. Returns the call's id if the process has the call, else null. */
  giveUp(call: OpenCall): number | null {
    const waits = this.#waiting.indexOf(call)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    this.#search.delete(call)
    for (const [id, one] of this.#sent) {
      if (one !== call) continue
      this.#sent.delete(id)
      this.#givenUp.set(id, call)
      return id
    }
    return null
  }

  /** True if the process has answered no call since it got the given-up call with this id. */
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
    if (calls.length > 0) this.#search.split(calls)
  }

  /** Queues calls to be sent once more, before the calls that wait. These calls may be sent together with other calls. */
  sendAgain(calls: readonly OpenCall[]): void {
    this.#waiting.unshift(...calls)
  }

  /** Takes calls that were never sent: the last `count` calls, and more calls if a batch would otherwise be split. */
  takeWaiting(count: number): readonly OpenCall[] {
    let from = Math.max(0, this.#waiting.length - count)
    while (from > 0 && this.#waiting[from - 1]?.batch === this.#waiting[from]?.batch) from--
    return this.#waiting.splice(from)
  }

  /** Takes all calls that the process does not have. */
  takeUnsent(): readonly OpenCall[] {
    return [...this.#search.takeAll(), ...this.#waiting.splice(0)]
  }
}

/** The most ended requests that are remembered: as many as fit into a full window. */
const maxEnded = maxWindow

/** Groups a list of calls by the batches in which the calls came. */
export function batchesOf(calls: readonly OpenCall[]): readonly (readonly OpenCall[])[] {
  const batches: OpenCall[][] = []
  for (const call of calls) {
    const last = batches.at(-1)
    if (last?.[0]?.batch === call.batch) last.push(call)
    else batches.push([call])
  }
  return batches
}
