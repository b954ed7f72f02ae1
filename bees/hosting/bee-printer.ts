import type { Printer } from '../../topology/swarm/ports/printing.ts'
import type { LineOrigin } from '../../topology/swarm/ports/processes.ts'

export type PrintLog = (level: 'info', message: string, origin: LineOrigin) => void

/** Gives the lines that a bee prints to the log, with the requests of the call that printed them. */
export class BeePrinter implements Printer {
  readonly #log: PrintLog
  #requests: readonly { readonly id: string }[]

  constructor(log: PrintLog, requests: readonly { readonly id: string }[]) {
    this.#log = log
    this.#requests = requests
  }

  /**
   * Ends the call. A timer or a connection that began in the call keeps this object alive, but not the call's requests. Its later lines have no
   * request.
   */
  end(): void {
    this.#requests = none
  }

  print(line: string, isShown: boolean): void {
    this.#log('info', line, isShown ? { ...this.#origin, is_shown: true } : this.#origin)
  }

  get #origin(): LineOrigin {
    const [first, second] = this.#requests
    if (first === undefined) return {}
    if (second === undefined) return { request_id: first.id }
    const ids = this.#requests.slice(0, maxIds).map(({ id }) => id)
    return { request_ids: ids.join(' '), requests: this.#requests.length }
  }
}

const none: readonly never[] = Object.freeze([])
/** The most requests of a batch that a line names. */
const maxIds = 10
