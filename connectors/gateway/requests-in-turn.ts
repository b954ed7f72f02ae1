import type { Clock } from '../../processor/ports.ts'
import type { NewRequest, Requests } from '../../topology/swarm/request/requests.ts'
import { CallerTurns } from './access/caller-turns.ts'
import { ProblemError } from './http/problem.ts'

export interface RequestsInTurnOptions {
  readonly requests: Requests
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The most requests of each gateway that run at the same time. */
  readonly atWork: number
  /** The most requests of each gateway that wait for their turn. */
  readonly waiting: number
}

/**
 * Requests whose callers take turns at each gateway. The records of a partition are in order, so a request waits for its turn before it is written to
 * the log. A request whose deadline passes before its turn is never written. A request of `submit` needs no turn, because no caller waits for its answer.
 */
export class RequestsInTurn implements Requests {
  readonly #options: RequestsInTurnOptions
  /** Only existing gateways have turns, so callers cannot make this map grow. */
  readonly #turns = new Map<string, CallerTurns>()
  #isStopped = false

  constructor(options: RequestsInTurnOptions) {
    this.#options = options
  }

  get gateways(): readonly string[] {
    return this.#options.requests.gateways
  }

  refusal(gateway: string): ReturnType<Requests['refusal']> {
    return this.#options.requests.refusal(gateway)
  }

  hasHeldPlaces(gateway: string): boolean {
    return this.#options.requests.hasHeldPlaces?.(gateway) ?? false
  }

  submit(request: NewRequest): ReturnType<Requests['submit']> {
    return this.#options.requests.submit(request)
  }

  find(id: string): ReturnType<Requests['find']> {
    return this.#options.requests.find(id)
  }

  async request(request: NewRequest): ReturnType<Requests['request']> {
    const { requests } = this.#options
    const end = await this.#turnsOf(request.gateway).take(request.owner ?? '', request.deadline)
    if (end === null) {
      if (await this.#isKnown(request)) return requests.request(request)
      throw new ProblemError('WAGGLE_DEADLINE', 'The deadline passed while the request waited for its turn, so no bee has seen it')
    }
    try {
      return await requests.request(request)
    } finally {
      end()
    }
  }

  /** True for a request that was sent before under the same key. Such a request needs no turn, because it only reads its outcome. */
  async #isKnown({ id, bodyHash }: NewRequest): Promise<boolean> {
    return bodyHash !== '' && (await this.find(id)) !== null
  }

  /** Refuses all waiting requests and all later requests. */
  stop(): void {
    this.#isStopped = true
    for (const turns of this.#turns.values()) turns.stop()
  }

  #turnsOf(gateway: string): CallerTurns {
    const known = this.#turns.get(gateway)
    if (known !== undefined) return known
    const turns = new CallerTurns(this.#options)
    if (this.#isStopped) turns.stop()
    for (const [other, { atWork }] of this.#turns) if (atWork === 0 && !this.gateways.includes(other)) this.#turns.delete(other)
    if (this.gateways.includes(gateway)) this.#turns.set(gateway, turns)
    return turns
  }
}
