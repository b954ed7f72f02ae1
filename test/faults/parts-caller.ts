import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from 'waggle-streams/client'
import type { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { canonical } from '../support/canonical-json.ts'

/** A request of a caller, and its results. */
export interface Asked {
  readonly id: string
  /** The answer as canonical JSON; null if the caller has not waited for it. */
  readonly answer: string | null
  /** The parts that came; null if the caller has not followed them. */
  readonly parts: readonly string[] | null
}

export interface PartsCallerOptions {
  readonly gateway: string
  readonly number: number
  readonly verb: 'stream' | 'request' | 'submit'
  /** The addresses of the servers that run now. */
  readonly urls: () => readonly string[]
  readonly random: SimulatedRandom
  readonly onDone: (sentAt: number) => void
}

/**
 * Sends one request after the other with the published client. Each of its tries goes to any server that runs, so a stream of parts goes on at another
 * process. Some connections of streams break by themselves.
 */
export class PartsCaller {
  readonly name: string
  /** Accepted requests, by their ids. */
  readonly asked = new Map<string, Asked>()
  readonly broken: string[] = []
  /** The times that a stream went on behind its last event. */
  resumed = 0
  /** The parts that came. */
  parts = 0
  readonly #options: PartsCallerOptions
  readonly #client: Gateway
  readonly #cuts = new Set<() => void>()
  readonly #gone = new AbortController()
  #sent = 0

  constructor(options: PartsCallerOptions) {
    this.#options = options
    this.name = `${options.verb} ${options.number}`
    this.#client = new Gateway(anyServer, { timeoutMs: patienceMs, retries: Number.MAX_SAFE_INTEGER, fetch: (...args) => this.#fetch(...args) })
  }

  /** Sends requests until `isOver`. */
  async work(isOver: () => boolean): Promise<void> {
    for (; !isOver() && !this.#gone.signal.aborted; this.#sent++) {
      const sentAt = Date.now()
      try {
        await this.#ask()
        this.#options.onDone(sentAt)
        // To be accepted takes no time. Without a pause, requests that are only submitted would keep the bees from all others.
        if (this.#options.verb === 'submit') await pause(submitPauseMs)
      } catch (error) {
        if (this.#gone.signal.aborted) return
        this.broken.push(`request ${this.#sent} of ${this.name} failed: ${String(error)}`)
      }
    }
  }

  /** Breaks all connections of streams. */
  cut(): void {
    for (const cut of this.#cuts) cut()
  }

  /** Gives up the open request. */
  abandon(): void {
    this.#gone.abort()
  }

  async #ask(): Promise<void> {
    const { verb, gateway, number, random } = this.#options
    const parts = 5 + random.below(20)
    const input = { name: `${number}-${this.#sent}`, parts, repeats: random.next() < 0.5 }
    const options = { gateway, idempotencyKey: `${number}-${this.#sent}`, signal: this.#gone.signal }
    if (verb === 'submit') {
      const id = await this.#client.submit(input, options)
      this.#keep({ id, answer: null, parts: null })
    } else if (verb === 'request') {
      // The client gives only the answer, so the id comes from the same key again, which is the same request.
      const answer = await this.#client.request(input, options)
      const id = await this.#client.submit(input, options)
      this.#check(input, answer, null)
      this.#keep({ id, answer: canonical(answer), parts: null })
    } else await this.#follow(input, options)
  }

  async #follow(input: Input, options: Parameters<Gateway['stream']>[1]): Promise<void> {
    const kinds: string[] = []
    const parts: string[] = []
    for await (const event of this.#client.stream(input, options)) {
      kinds.push(event.kind === 'bee' ? `bee ${event.bee}` : event.kind)
      if (event.kind === 'part') {
        if (event.number !== parts.length) this.broken.push(`${input.name} got part ${event.number} where part ${parts.length} comes next`)
        parts.push(String(event.part))
        this.parts++
      }
      if (event.kind === 'gap') this.broken.push(`${input.name} has lost parts: ${event.detail}`)
      if (event.kind !== 'answer') continue
      this.#check(input, event.answer, parts)
      this.#keep({ id: event.requestId, answer: canonical(event.answer), parts })
    }
    const once = kinds.filter((kind) => kind !== 'part')
    if (kinds[0] !== 'accepted' || kinds.at(-1) !== 'answer' || new Set(once).size !== once.length)
      this.broken.push(`${input.name} got the events ${kinds.join(', ')}`)
  }

  #check({ name, parts: count }: Input, answer: unknown, parts: readonly string[] | null): void {
    const { text, version } = answer as { readonly text?: unknown; readonly version?: unknown }
    const wanted = new RegExp(`^${Array.from({ length: count }, (_, at) => `${name}/${at} of ${String(version)}( by \\d+)?;`).join('')}$`)
    if (typeof text !== 'string' || !wanted.test(text)) this.broken.push(`${name} has ${count} parts and was answered ${JSON.stringify(answer)}`)
    if (parts !== null && parts.join('') !== text)
      this.broken.push(`${name} got the parts ${parts.join('')} and the answer ${JSON.stringify(answer)}`)
  }

  #keep(asked: Asked): void {
    const before = this.asked.get(asked.id)
    if (before !== undefined) this.broken.push(`two requests have the id ${asked.id}`)
    this.asked.set(asked.id, asked)
  }

  /** Sends a try of the client to any server that runs. */
  async #fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const { urls, random, verb } = this.#options
    const there = urls()
    const url = there[random.below(there.length)]
    if (url === undefined) throw new Error('No server runs')
    const response = await fetch(String(input).replace(anyServer, url), init)
    if (verb !== 'stream' || !response.ok || response.body === null) return response
    if (new Headers(init?.headers).has('last-event-id')) this.resumed++
    return this.#breakable(response, response.body, random.next() < 0.3 ? 1 + random.below(8) : Number.POSITIVE_INFINITY)
  }

  /** The response, whose connection breaks after some reads, or when the caller's connections are cut. */
  #breakable(response: Response, body: ReadableStream<Uint8Array>, reads: number): Response {
    const reader = body.getReader()
    let left = reads
    const cuts = this.#cuts
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        const cut = () => {
          cuts.delete(cut)
          left = 0
          controller.error(new Error('the connection was cut'))
          reader.cancel().catch(() => {})
        }
        cuts.add(cut)
        reader.closed.catch(() => {}).finally(() => cuts.delete(cut))
      },
      async pull(controller) {
        const { done, value } = await reader.read()
        if (left-- <= 0) {
          await reader.cancel().catch(() => {})
          throw new Error('the connection was cut')
        }
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    })
    return new Response(broken, { status: response.status, headers: response.headers })
  }
}

interface Input {
  readonly name: string
  readonly parts: number
  readonly repeats: boolean
}

/** The address that the client is given, in whose place each try has that of a server. */
const anyServer = 'http://waggle.test'
/** The machine may be slow, and a request waits through each change. */
const patienceMs = 600_000
const submitPauseMs = 500
