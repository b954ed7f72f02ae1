import type { Clock } from '../../processor/ports.ts'
import type { NewRequest, Requests } from '../../topology/swarm/request/requests.ts'
import { CallerTurns } from './access/caller-turns.ts'

export interface RequestsInTurnOptions {
  readonly requests: Requests
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The most requests of each gateway that are at work at once. */
  readonly atWork: number
  /** The most requests of each gateway that wait for their turn. */
  readonly waiting: number
}

/**
 * Requests whose callers take turns at each gateway. The records of a partition are in order, so turns are taken before the log: a request that waits for
 * its turn is not in the log. `submit` takes no turn, because nobody waits for its answer.
 */
export class RequestsInTurn implements Requests {
  readonly #options: RequestsInTurnOptions
  /** Only the gateways that there are have turns, so callers cannot add any. */
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

  submit(request: NewRequest): ReturnType<Requests['submit']> {
    return this.#options.requests.submit(request)
  }

  find(id: string): ReturnType<Requests['find']> {
    return this.#options.requests.find(id)
  }

  async request(request: NewRequest): ReturnType<Requests['request']> {
    const end = await this.#turnsOf(request.gateway).take(request.owner ?? '', request.deadline)
    try {
      return await this.#options.requests.request(request)
    } finally {
      end()
    }
  }

  /** Refuses the requests that wait, and all that come. */
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
