import type { BeeRun, BeeRunEvents } from '../../connectors/processes/bee-run.ts'

interface Request {
  readonly id: number
  readonly json: unknown
}

/** A run of a bee whose program is the test: the test reads the requests, and decides when they are answered and when the program ends. */
export class RunByHand implements BeeRun {
  readonly #events: BeeRunEvents
  readonly lastWords = []
  readonly unreadBytes = 0
  readonly requests: Request[] = []
  readonly signals: string[] = []
  hasEndOfInput = false

  constructor(events: BeeRunEvents) {
    this.#events = events
  }

  /** Sends the hello. The program can compute one request at a time. */
  greet(): void {
    this.#events.stdout(Buffer.from('{"waggle":1,"window":1}\n'))
  }

  /** Answers the oldest request with the request's own input. */
  answer(): void {
    this.#events.stdout(Buffer.from(`${JSON.stringify(this.requests.shift())}\n`))
  }

  exit(): void {
    this.#events.gone('ended with status 0')
  }

  write(pieces: readonly Uint8Array[]): void {
    const { id, json }: Request = JSON.parse(Buffer.concat(pieces).toString())
    this.requests.push({ id, json })
  }

  onDrain(): void {}

  end(): void {
    this.hasEndOfInput = true
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.signals.push(signal)
  }
}
