import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import type { PartsRun, PublishedParts, PublishingCall } from '../../topology/swarm/ports/published-parts.ts'
import { maxPartBytes, maxParts, maxPartsBytes } from '../../topology/swarm/request/part.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeParts } from '../define-bee.ts'
import { outputOf, payloadOf } from './payload-input.ts'

export interface CallPartsOptions {
  /** The log of parts; null if parts reach nobody, for example in a test driver. */
  readonly port: PublishedParts | null
  readonly call: PublishingCall
  /** Hides the bee's secrets. */
  readonly redact: (part: Payload) => Payload
  /** Aborts when nobody waits for the call any more. */
  readonly signal: AbortSignal
  /** Calls `act` once, after `ms`. */
  readonly after: (ms: number, act: () => void) => void
}

/**
 * The parts of one call of a bee. The parts of an earlier run are kept. A new run must first give the same parts again, which adds nothing to the
 * log, before it can add further parts.
 */
export class CallParts implements BeeParts {
  readonly #options: CallPartsOptions
  readonly #run: PartsRun
  /** All published parts, of this run and of earlier runs. */
  readonly #parts: Payload[]
  readonly #sizes: number[] = []
  #bytes = 0
  /** The number of parts that the bee has given since it began. A bee that begins again starts from 0. */
  #given = 0
  #failure: WaggleError | null = null
  /** The number of parts that are in the log. */
  #written: number
  /** Settles when all parts are in the log; null while no write is running. */
  #writing: Promise<void> | null = null
  #progressed = Promise.withResolvers<void>()

  private constructor(options: CallPartsOptions, { run, before }: { readonly run: PartsRun; readonly before: readonly Payload[] }) {
    this.#options = options
    this.#run = run
    this.#parts = [...before]
    this.#written = this.#parts.length
    for (const part of this.#parts) this.#count(part)
  }

  static async begin(options: CallPartsOptions): Promise<CallParts> {
    const { port, call } = options
    const run = port === null ? unkept : await untilWritten(() => port.begin(call), options)
    const { before } = run
    if (before !== null) return new CallParts(options, { run, before })
    await run.fail().catch(() => {})
    throw gone(call.bee)
  }

  get published(): readonly unknown[] {
    return this.#parts.map(outputOf)
  }

  readonly publish = async (output: unknown, number = this.#given): Promise<void> => {
    const { bee } = this.#options.call
    this.#options.signal.throwIfAborted()
    if (this.#failure !== null) throw this.#failure
    const part = this.#options.redact(payloadOf(output, bee))
    this.#given = number + 1
    if (number < this.#parts.length) this.#compare(number, part)
    else if (number > this.#parts.length) this.#fail(skipped(bee, number, this.#parts.length))
    else this.#add(number, part)
    // A bee that is faster than the log waits.
    while (this.#parts.length - this.#written >= maxWaiting) await this.#progressed.promise
  }

  /** Settles when every part is durable. Throws if a part cannot be published, or if an earlier run has published more parts than this run. */
  async finish(): Promise<void> {
    if (this.#failure === null && this.#given < this.#parts.length) this.#fail(differs(this.#options.call.bee, this.#given, 'the end of its parts'))
    await this.#writing
    if (this.#failure !== null) throw this.#failure
  }

  /** Records in the log that the call has failed. If the request is tried again, nobody waits for the parts of the failed call. */
  async fail(): Promise<void> {
    await this.#writing?.catch(() => {})
    await this.#run.fail()
  }

  /** The parts as one result: texts are joined, bytes of the same media type are joined, and JSON values become a list. */
  result(): Payload {
    const [first] = this.#parts
    if (first === undefined) return { kind: 'json', json: null }
    const json = this.#parts.flatMap((part) => (part.kind === 'json' ? [part.json] : []))
    if (json.length === this.#parts.length) return { kind: 'json', json: json.every((value) => typeof value === 'string') ? json.join('') : json }
    const bytes = this.#parts.flatMap((part) => (part.kind === 'bytes' && contentTypeOf(part) === contentTypeOf(first) ? [part.bytes] : []))
    if (bytes.length === this.#parts.length) return { kind: 'bytes', contentType: contentTypeOf(first), bytes: Buffer.concat(bytes) }
    throw new WaggleError('WAGGLE_BEE_OUTPUT', {
      message: `${this.#options.call.bee} published parts that cannot be joined: tensors, or values of several kinds`,
      next: 'Return the whole result at the end.',
    })
  }

  #compare(number: number, part: Payload): void {
    const known = this.#parts[number]
    if (known !== undefined && !isSame(known, part)) this.#fail(differs(this.#options.call.bee, number, 'another part'))
  }

  #add(number: number, part: Payload): void {
    const { bee } = this.#options.call
    if (number >= maxParts) this.#fail(tooMany(bee, `more than ${maxParts} parts`))
    this.#count(part)
    if ((this.#sizes[number] ?? 0) > maxPartBytes) this.#fail(tooMany(bee, `a part of more than ${maxPartBytes} bytes`))
    if (this.#bytes > maxPartsBytes) this.#fail(tooMany(bee, `parts of more than ${maxPartsBytes} bytes in all`))
    this.#parts.push(part)
    this.#writing ??= this.#write()
    // `finish` throws the error.
    this.#writing.catch(() => {})
  }

  /**
   * Writes all parts. Several parts share a write to the log. The parts of a failed write are written again, because each number counts only once.
   */
  async #write(): Promise<void> {
    try {
      while (this.#written < this.#parts.length) {
        const from = this.#written
        const some = this.#parts.slice(from, from + maxWaiting)
        await untilWritten(() => Promise.all(some.map((part, at) => this.#run.add(from + at, part))), this.#options)
        this.#written = from + some.length
        this.#progressed.resolve()
        this.#progressed = Promise.withResolvers()
      }
      this.#writing = null
    } catch (thrown) {
      this.#failure ??= WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Nothing: the call is over.' })
      // A bee that waits for progress gets the error at its next part.
      this.#written = this.#parts.length
      this.#progressed.resolve()
    }
  }

  #count(part: Payload): void {
    const size = payloadSerde.serialize('', part).byteLength
    this.#sizes.push(size)
    this.#bytes += size
  }

  #fail(error: WaggleError): never {
    this.#failure ??= error
    throw this.#failure
  }
}

/** Writes to the log. Retries while the log accepts no records, for example on a full disk. Throws when nobody waits for the call any more. */
async function untilWritten<T>(write: () => Promise<T>, { signal, after }: Pick<CallPartsOptions, 'signal' | 'after'>): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await write()
    } catch {
      await new Promise<void>((resolve) => after(retryMs, resolve))
    }
  }
}

/** The run of a call whose parts are not stored. */
const unkept: PartsRun = { before: [], add: async () => {}, fail: async () => {} }

function isSame(a: Payload, b: Payload): boolean {
  return contentTypeOf(a) === contentTypeOf(b) && Buffer.from(payloadSerde.serialize('', a)).equals(payloadSerde.serialize('', b))
}

function differs(bee: string, number: number, what: string): WaggleError {
  return new WaggleError('WAGGLE_PARTS_DIFFER', {
    message: `${bee} was run again and gave ${what} as part ${number}, and the caller has another one already`,
    next: 'Let the bee give the same parts for the same input, or let the bee first yield the parts that its request names, and then continue after these parts.',
  })
}

function gone(bee: string): WaggleError {
  return new WaggleError('WAGGLE_PARTS_DIFFER', {
    message: `${bee} was run again, and the log has no more all parts that its caller may have`,
    next: 'Give the log more room, or its records a longer retention, so that parts stay until their call is over.',
  })
}

function skipped(bee: string, number: number, next: number): WaggleError {
  return new WaggleError('WAGGLE_BEE_PROTOCOL', {
    message: `${bee} published part ${number} where part ${next} comes next`,
    next: 'Count parts from 0.',
  })
}

function tooMany(bee: string, what: string): WaggleError {
  return new WaggleError('WAGGLE_TOO_MANY_PARTS', {
    message: `${bee} published ${what}`,
    next: 'Publish fewer or smaller parts, for example several words in one part.',
  })
}

/** The most parts of a call that are on their way to the log. */
const maxWaiting = 32
const retryMs = 500
