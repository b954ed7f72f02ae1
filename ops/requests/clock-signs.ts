import type { Clock } from '../../processor/ports.ts'

export interface ClockSignsOptions {
  readonly clock: Pick<Clock, 'now' | 'elapsedMs' | 'after'>
  /** The name of this server among the servers of the cluster. */
  readonly name: string
  /** Sends a sign to the other servers. */
  readonly send: (sign: string) => void
  /** Called once each time the clock gets more than two seconds behind. */
  readonly warn: (message: string) => void
}

/**
 * Compares the clocks of the servers on a cluster. A deadline is a time of the server that accepts the request, and another server may decide about it.
 * Each server therefore sends its time to the others regularly. A sign from the future proves that this server's clock is behind: the way of a sign
 * takes time, and so makes the difference seem smaller, never larger. Between two servers, only the one that is behind notices.
 */
export class ClockSigns {
  readonly #options: ClockSignsOptions
  /** The newest sign of each other server. */
  readonly #signs = new Map<string, { readonly aheadMs: number; readonly seenAtMs: number }>()
  #isTold = false
  #cancel = () => {}
  #isClosed = false

  constructor(options: ClockSignsOptions) {
    this.#options = options
  }

  /** Sends a sign now and every 30 s, until `close`. A server may be closed while it starts, and then sends none. */
  start(): void {
    if (this.#isClosed) return
    const { clock, name, send } = this.#options
    send(`${name} ${Math.round(clock.now())}`)
    this.#forgetOld()
    this.#cancel = clock.after(signEveryMs, () => this.start())
  }

  close(): void {
    this.#isClosed = true
    this.#cancel()
  }

  /** The least time by which this server's clock is behind the clock of another server, in ms; 0 if no other clock is ahead. */
  get behindMs(): number {
    return Math.max(0, ...[...this.#signs.values()].map(({ aheadMs }) => aheadMs))
  }

  /** Takes a sign as another server has sent it. Signs of this server and other texts are ignored. */
  take(sign: string): void {
    const { clock, name, warn } = this.#options
    const [, sender, time] = /^([0-9a-f]{1,64}) (\d{1,15})$/.exec(sign) ?? []
    if (sender === undefined || sender === name) return
    if (!this.#signs.has(sender) && this.#signs.size >= maxServers) return
    this.#signs.set(sender, { aheadMs: Number(time) - clock.now(), seenAtMs: clock.elapsedMs() })
    const isBehind = this.behindMs > toleratedMs
    if (isBehind && !this.#isTold) warn(behind(this.behindMs))
    this.#isTold = isBehind
  }

  #forgetOld(): void {
    const oldest = this.#options.clock.elapsedMs() - 3 * signEveryMs
    for (const [sender, { seenAtMs }] of this.#signs) if (seenAtMs < oldest) this.#signs.delete(sender)
  }
}

function behind(ms: number): string {
  return `The clock of this server is at least ${(ms / 1000).toFixed(1)} s behind the clock of another server on the cluster. Deadlines are wrong by the difference: a request that this server accepts may get 504 too early. Synchronise the clocks (NTP), and restart this server`
}

/** Clocks that are kept by NTP differ by much less. */
const toleratedMs = 2000
const signEveryMs = 30_000
const maxServers = 1000
