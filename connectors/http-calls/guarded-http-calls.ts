import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../processor/ports.ts'
import type { HttpAnswer, HttpCall, HttpCalls } from '../../topology/swarm/ports/http-calls.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { AllowedHosts } from '../http/allowed-hosts.ts'
import { guardedLookup } from '../http/guarded-lookup.ts'
import { pause } from '../system/pause.ts'
import { ExchangeFailure, exchange } from './http-exchange.ts'

export interface GuardedHttpCallsOptions {
  readonly clock: Clock
  /** The value of `WAGGLE_HTTP_CALL_HOSTS`. Null: only this machine may be called. */
  readonly hosts: string | null
  /** Finds the addresses of a name. Default: the lookup of the operating system. */
  readonly lookup?: LookupFunction
}

/** Makes HTTP calls, but only to servers that a list allows, and only at addresses that their names may have. */
export class GuardedHttpCalls implements HttpCalls {
  readonly #clock: Clock
  readonly #hosts: AllowedHosts
  readonly #lookup: LookupFunction
  /** Connections that idempotent calls share. A server may close a shared connection at any moment, so every other call opens its own connection. */
  readonly #agents = { 'http:': new HttpAgent(agentOptions), 'https:': new HttpsAgent(agentOptions) }

  constructor({ clock, hosts, lookup }: GuardedHttpCallsOptions) {
    this.#clock = clock
    this.#hosts = AllowedHosts.parse(hosts ?? 'localhost')
    this.#lookup = guardedLookup({
      hosts: this.#hosts,
      lookup,
      forbidden: (hostname, all) =>
        new ExchangeFailure(
          'forbidden',
          `is not asked: ${hostname} stands for ${all.map(({ address }) => address).join(', ')}, which WAGGLE_HTTP_CALL_HOSTS does not have`,
        ),
    })
  }

  check(url: URL): void {
    if (this.#hosts.has(url)) return
    throw new WaggleError('WAGGLE_HTTP_CALL_ADDRESS', {
      message: `${url.host} is not in the list of hosts that may be called`,
      next: `Add the host to WAGGLE_HTTP_CALL_HOSTS (WAGGLE_HTTP_CALL_HOSTS=${url.host}), if you trust it; a name in a private network needs the network too (${url.host},10.0.0.0/8).`,
    })
  }

  async send(call: HttpCall): Promise<HttpAnswer> {
    this.check(call.url)
    const { url, isIdempotent, attempts, deadline, signal } = call
    const agent = isIdempotent ? this.#agents[url.protocol === 'https:' ? 'https:' : 'http:'] : null
    for (let attempt = 1; ; attempt++) {
      const outcome = await exchange(call, { clock: this.#clock, lookup: this.#lookup, agent }).catch((thrown: unknown) => {
        if (thrown instanceof ExchangeFailure) return thrown
        throw thrown
      })
      const again = retryOf(outcome, isIdempotent)
      if (!(outcome instanceof ExchangeFailure) && again === null) return outcome
      const waitMs = Math.max(again?.afterMs ?? 0, firstWaitMs * 2 ** (attempt - 1))
      const isTooLate = deadline !== null && this.#clock.now() + waitMs >= deadline
      if (again === null || attempt >= attempts || isTooLate || waitMs > longestWaitMs)
        throw failed(call, outcome, { attempt, waitMs: again?.afterMs ?? 0 })
      await pause(this.#clock, waitMs, signal)
    }
  }
}

type Outcome = ExchangeFailure | (HttpAnswer & { readonly retryAfter: string | null })

/** The wait before another attempt. Null: the outcome is final. */
function retryOf(outcome: Outcome, isIdempotent: boolean): { readonly afterMs: number } | null {
  if (outcome instanceof ExchangeFailure) return outcome.kind === 'unsent' || (outcome.kind === 'broken' && isIdempotent) ? { afterMs: 0 } : null
  const { status, retryAfter } = outcome
  // After 429 (RFC 6585) or 503 (RFC 9110) the server has not processed the request, so any call may be repeated.
  if (status === 429 || status === 503) return { afterMs: retryAfterMs(retryAfter) }
  return isIdempotent && (status === 408 || (status >= 500 && status !== 501 && status !== 505)) ? { afterMs: 0 } : null
}

/** `Retry-After` in seconds. A date counts as zero, because the clocks of two machines differ, and the pauses between attempts grow anyway. */
function retryAfterMs(text: string | null): number {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : 0
}

function failed({ shown }: HttpCall, outcome: Outcome, { attempt, waitMs }: { readonly attempt: number; readonly waitMs: number }): WaggleError {
  const times = attempt === 1 ? '' : ` (${attempt} attempts)`
  if (!(outcome instanceof ExchangeFailure)) {
    const wait = waitMs === 0 ? '' : `, and asks to wait ${waitMs / 1000} s`
    return away(`${shown} answers ${outcome.status}${wait}${times}`)
  }
  if (outcome.kind === 'unsent' || outcome.kind === 'broken') return away(`${shown} ${outcome.message}${times}`, outcome)
  return new WaggleError('WAGGLE_HTTP_CALL_REFUSED', {
    message: `${shown} ${outcome.message}`,
    next:
      outcome.kind === 'forbidden'
        ? 'Add the address or its network to WAGGLE_HTTP_CALL_HOSTS, if the server is yours.'
        : 'Correct the server, or name its certificate authority in NODE_EXTRA_CA_CERTS.',
    cause: outcome,
  })
}

function away(message: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_HTTP_CALL_AWAY', {
    message,
    next: 'See that the server runs and can be reached. `waggle dead-letters retry` sends the input again.',
    cause,
  })
}

const agentOptions = { keepAlive: true, maxSockets: 64, maxFreeSockets: 16 }
const firstWaitMs = 200
const longestWaitMs = 30_000
