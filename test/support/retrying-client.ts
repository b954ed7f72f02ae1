import { setTimeout as pause } from 'node:timers/promises'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import type { SwarmProcesses } from './swarm-processes.ts'

export interface RetryingClientOptions {
  readonly swarm: SwarmProcesses
  /** The number of the client, with which its keys begin. Clients with even numbers wait for answers; clients with odd numbers submit. */
  readonly number: number
  /** Returns the running processes. */
  readonly processes: () => readonly MeasuredProgram[]
  readonly isOver: () => boolean
  /** The pause after each request, in ms. */
  readonly pauseMs?: number
  /** After this many requests, an accepted request is sent again, to another process. */
  readonly repeatEach?: number
  readonly onAccepted?: (sentAt: number) => void
}

/** Sends one request after the other. Each request keeps its key until a process has accepted it. */
export class RetryingClient {
  /** The answer of each accepted request, by the request's id; null if no answer was seen. */
  readonly accepted = new Map<string, string | null>()
  readonly broken: string[] = []
  /** The number of repeated sends. */
  retries = 0
  /** The number of answers that were seen twice and were equal. */
  compared = 0
  readonly #options: RetryingClientOptions
  #sent = 0
  #isAbandoned = false

  constructor(options: RetryingClientOptions) {
    this.#options = options
  }

  /** Sends requests until `isOver` and until the open request is accepted. */
  async work(): Promise<void> {
    const { isOver, number, pauseMs = this.#verb === 'submit' ? 20 : 0, repeatEach = Number.POSITIVE_INFINITY, onAccepted } = this.#options
    for (let attempt = number; ; this.#sent++) {
      const sentAt = Date.now()
      attempt = await this.#untilAccepted(attempt)
      onAccepted?.(sentAt)
      if (this.#sent % repeatEach === 1) {
        this.retries++
        attempt = await this.#untilAccepted(attempt + 1)
      }
      if (this.#isAbandoned || isOver()) return
      await pause(pauseMs)
    }
  }

  /** Drops the open request, because no remaining process could accept it. */
  abandon(): void {
    this.#isAbandoned = true
  }

  get #verb(): 'request' | 'submit' {
    return this.#options.number % 2 === 0 ? 'request' : 'submit'
  }

  async #untilAccepted(first: number): Promise<number> {
    for (let attempt = first; ; attempt++) {
      const there = this.#options.processes()
      const program = there[attempt % there.length]
      if (this.#isAbandoned || (program !== undefined && (await this.#send(program)))) return attempt
      this.retries++
      await pause(20)
    }
  }

  /** Returns false if it is unknown whether the request was accepted. */
  async #send(program: MeasuredProgram): Promise<boolean> {
    const headers = { 'idempotency-key': `${this.#options.number}-${this.#sent}`, 'x-timeout-seconds': '300' }
    try {
      const response = await this.#options.swarm.ask(program, { number: this.#sent }, headers, this.#verb)
      const id = response.headers.get('x-request-id') ?? ''
      const text = await response.text()
      if (response.status === 503 || text.includes('WAGGLE_NO_OUTCOME')) return false
      if (response.status !== 200 && response.status !== 202) this.broken.push(`${id} was answered ${response.status}: ${text}`)
      this.#accept(id, response.status === 200 ? text : null)
      return true
    } catch {
      return false
    }
  }

  #accept(id: string, answer: string | null): void {
    const before = this.accepted.get(id) ?? null
    if (before !== null && answer !== null) {
      this.compared++
      if (before !== answer) this.broken.push(`${id} had the answer ${before}, and to a retry ${answer}`)
    }
    this.accepted.set(id, answer ?? before)
  }
}
