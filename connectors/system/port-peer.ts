import { WaggleError } from '../../topology/waggle-error.ts'
import { packError, unpackError, type WireError } from './wire-error.ts'

/** The methods that one side of a port offers to the other side. Each method takes one argument. Arguments and results must be cloneable. */
type Methods = { readonly [method: string]: (argument: never) => unknown }

type ArgumentOf<Method> = Method extends (argument: infer Argument) => unknown ? Argument : never
type ResultOf<Method> = Method extends (argument: never) => infer Result ? Awaited<Result> : never

/** An implementation of `Own`. A method may return a promise, and may move memory to the other side with its result. */
export type Serving<Own> = {
  readonly [Method in keyof Own]: (
    argument: ArgumentOf<Own[Method]>,
  ) => ResultOf<Own[Method]> | Moved<ResultOf<Own[Method]>> | Promise<ResultOf<Own[Method]> | Moved<ResultOf<Own[Method]>>>
}

/** A result whose memory is moved to the other side, and not copied. */
export class Moved<out Result> {
  readonly result: Result
  readonly memory: readonly ArrayBuffer[]

  constructor(result: Result, memory: readonly ArrayBuffer[]) {
    this.result = result
    this.memory = memory
  }
}

interface Port {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void
  on(event: 'message', listener: (message: PeerMessage) => void): unknown
}

type PeerMessage =
  | { readonly kind: 'call'; readonly id: number | null; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: WireError }

/**
 * Calls between two JavaScript threads, in both directions over one port. Calls begin in the order in which they were made. A thrown WaggleError
 * arrives as a WaggleError.
 */
export class PortPeer<Theirs> {
  readonly #port: Port
  readonly #own: Methods
  readonly #open = new Map<number, { resolve(result: unknown): void; reject(error: WaggleError): void }>()
  #calls = 0
  #closed: WaggleError | null = null

  constructor(port: Port, own: object) {
    this.#port = port
    this.#own = own as Methods
    port.on('message', (message) => this.#hear(message))
  }

  call<Method extends keyof Theirs & string>(
    method: Method,
    argument: ArgumentOf<Theirs[Method]>,
    memory: readonly ArrayBuffer[] = [],
  ): Promise<ResultOf<Theirs[Method]>> {
    if (this.#closed !== null) return Promise.reject(this.#closed)
    const id = this.#calls++
    return new Promise<ResultOf<Theirs[Method]>>((resolve, reject) => {
      this.#open.set(id, { resolve: (result) => resolve(result as ResultOf<Theirs[Method]>), reject })
      this.#port.postMessage({ kind: 'call', id, method, argument } satisfies PeerMessage, memory)
    }).catch((error: unknown) => {
      // The message could not be cloned, so it was not sent.
      this.#open.delete(id)
      throw error
    })
  }

  /** Calls a method without waiting for a result. */
  tell<Method extends keyof Theirs & string>(method: Method, argument: ArgumentOf<Theirs[Method]>): void {
    if (this.#closed === null) this.#port.postMessage({ kind: 'call', id: null, method, argument } satisfies PeerMessage)
  }

  /** Marks the other side as gone. Open calls fail with this error, and later messages are ignored. */
  close(reason: WaggleError): void {
    this.#closed = reason
    for (const { reject } of this.#open.values()) reject(reason)
    this.#open.clear()
  }

  #hear(message: PeerMessage): void {
    if (this.#closed !== null) return
    if (message.kind === 'call') return void this.#serve(message.id, message.method, message.argument)
    const call = this.#open.get(message.id)
    this.#open.delete(message.id)
    if (message.kind === 'done') call?.resolve(message.result)
    else call?.reject(unpackError(message.error))
  }

  async #serve(id: number | null, method: string, argument: unknown): Promise<void> {
    try {
      const serve = this.#own[method]
      if (serve === undefined) throw new WaggleError('WAGGLE_INTERNAL', { message: `Nobody serves ${method}`, next: 'Report this as a bug.' })
      const given = await serve(argument as never)
      const { result, memory } = given instanceof Moved ? given : { result: given, memory: [] }
      this.#answer(id, (done) => ({ kind: 'done', id: done, result }), memory)
    } catch (thrown) {
      this.#answer(id, (failed) => ({ kind: 'failed', id: failed, error: packError(thrown) }), [])
    }
  }

  #answer(id: number | null, message: (id: number) => PeerMessage, memory: readonly ArrayBuffer[]): void {
    if (id !== null && this.#closed === null) this.#port.postMessage(message(id), memory)
  }
}
