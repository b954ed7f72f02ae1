import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { moduleFile } from '../../topology/module-file.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import type { BeeRequest } from '../define-bee.ts'
import type { BeePrinter } from '../hosting/bee-printer.ts'
import { outputOf, payloadOfInput } from '../hosting/payload-input.ts'
import { wholeOfParts } from '../hosting/request-parts.ts'
import { loadMs } from './load-bee.ts'
import type { FromModule, ModuleThreadData, SentError, SentRequest, ToModule } from './module-messages.ts'
import { receivedError } from './sent-error.ts'
import type { ThreadOptions, ThreadPrinting } from './threaded-bee.ts'
import { UnreadPrints } from './unread-prints.ts'
import { WorkerParts } from './worker-parts.ts'

type Ready = Extract<FromModule, { kind: 'ready' }>

interface OpenCall {
  /** Takes what the module prints during the call; null if nobody takes it. */
  readonly printer: BeePrinter | null
  readonly parts: readonly WorkerParts[]
  resolve(outcomes: readonly (Payload | SentError | null)[]): void
  reject(error: WaggleError): void
  /** Cancels the timer that ends a thread which does not answer a ping. */
  pong(): void
}

/** One worker that runs a module, from its start to its end. */
export class ModuleWorker {
  /** Settles when the module is loaded. */
  readonly ready: Promise<Ready>
  readonly #worker: Worker
  readonly #port: MessagePort
  readonly #printing: ThreadPrinting | null
  /** Takes what the module prints outside of calls. */
  readonly #printer: BeePrinter | null
  readonly #unread = new UnreadPrints()
  readonly #errorOf: (why: string) => WaggleError
  readonly #open = new Map<number, OpenCall>()
  #next = 0
  #isEnded = false
  #failStart: (error: WaggleError) => void = () => {}

  /** `errorOf` makes the error for the calls that are open when the thread ends. */
  constructor({ module, bee, log, printing }: ThreadOptions, errorOf: (why: string) => WaggleError) {
    this.#errorOf = errorOf
    this.#printing = printing ?? null
    this.#printer = printing?.printer([]) ?? null
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: ModuleThreadData = { module, bee, port: port2, unreadPrints: printing === undefined ? null : this.#unread.memory }
    this.#worker = new Worker(moduleFile(new URL('./module-thread.ts', import.meta.url)), { workerData, transferList: [port2] })
    const ended = (why: string) => {
      if (!this.#isEnded) log(`A thread of ${bee} ended, and starts again with the next call: ${why}`)
      void this.end(errorOf(why))
    }
    this.ready = new Promise((resolve, reject) => {
      this.#failStart = reject
      const tooLate = setTimeout(() => ended(`it was not loaded within ${startMs / 1000} s`), startMs)
      port1.on('message', (message: FromModule) => {
        if (message.kind === 'ready') {
          clearTimeout(tooLate)
          resolve(message)
        } else if (message.kind === 'broken') {
          clearTimeout(tooLate)
          void this.end(receivedError(message.error))
        } else if (message.kind === 'done') this.#open.get(message.call)?.resolve(message.outcomes)
        else if (message.kind === 'failed') this.#open.get(message.call)?.reject(receivedError(message.error))
        else if (message.kind === 'printed') this.#print(message)
        else if (message.kind === 'begin' || message.kind === 'part') this.#open.get(message.call)?.parts[message.request]?.take(message)
        else this.#open.get(message.call)?.pong()
      })
      this.#worker.on('exit', () => clearTimeout(tooLate))
    })
    this.ready.catch(() => {})
    port1.on('messageerror', (error) => ended(error.message))
    this.#worker.on('error', (error: unknown) => ended(`it threw outside of a call: ${stackOf(error)}`))
    this.#worker.on('exit', (code) => ended(`it ended with status ${code}`))
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  async call(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    await this.ready
    const call = this.#next++
    const signals = requests.map(({ signal }) => signal)
    let timer: NodeJS.Timeout | null = null
    const aborted = () => {
      if (timer !== null) return
      this.#say({ kind: 'abort', call, reason: saidBy(signals.find((signal) => signal.aborted)?.reason) })
      // Nobody waits for this call any more. The thread is ended only if it does not answer the ping, because only then does the call block other
      // calls.
      this.#say({ kind: 'ping', call })
      timer = setTimeout(() => void this.end(this.#errorOf(`it computed on for ${graceMs / 1000} s after the time of a call was over`)), graceMs)
    }
    for (const signal of signals) signal.addEventListener('abort', aborted, { once: true })
    try {
      const outcomes = await new Promise<readonly (Payload | SentError | null)[]>((resolve, reject) => {
        const pong = () => {
          if (timer !== null) clearTimeout(timer)
          reject(notEnded())
        }
        const parts = requests.map((request, at) => new WorkerParts(request, { call, request: at, say: (message) => this.#say(message) }))
        this.#open.set(call, { resolve, reject, pong, parts, printer: this.#printing?.printer(requests) ?? null })
        const payloads = inputs.map((input, at) => ownBytes(payloadOfInput(input, requests[at]?.contentType ?? '')))
        this.#say({ kind: 'call', call, inputs: payloads, requests: requests.map(sentRequest) })
        if (signals.some((signal) => signal.aborted)) aborted()
      })
      return outcomes.map((outcome) => {
        if (outcome === null) return wholeOfParts
        return outcome.kind === 'thrown' ? receivedError(outcome) : outputOf(outcome)
      })
    } finally {
      this.#open.delete(call)
      if (timer !== null) clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', aborted)
    }
  }

  /** Ends the thread, and fails its start and its open calls with this error. Settles when the thread has ended. */
  async end(error: WaggleError): Promise<void> {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#readLastPrints()
      this.#failStart(error)
      for (const { reject } of [...this.#open.values()]) reject(error)
      this.#open.clear()
      this.#port.close()
    }
    await this.#worker.terminate()
  }

  /** The last lines of a thread say most about its end. Only some are read, because the thread may still print. */
  #readLastPrints(): void {
    for (let count = 0; count < mostLastMessages; count++) {
      const left = receiveMessageOnPort(this.#port)
      if (left === undefined) return
      const message = left.message as FromModule
      if (message.kind === 'printed') this.#print(message)
    }
  }

  #print({ call, stream, text }: Extract<FromModule, { kind: 'printed' }>): void {
    this.#unread.read(text)
    const printer = (call === null ? null : this.#open.get(call)?.printer) ?? this.#printer
    if (printer !== null) this.#printing?.port.write(printer, stream, text)
  }

  #say(message: ToModule): void {
    if (!this.#isEnded) this.#port.postMessage(message)
  }
}

/** The message of an error, with the first line of its stack that is not inside Node. */
function stackOf(error: unknown): string {
  const place = error instanceof Error ? /\n\s+at (.*(?:file:|\/).*)/.exec(error.stack ?? '')?.[1] : undefined
  return place === undefined ? saidBy(error) : `${saidBy(error)} (at ${place})`
}

function notEnded(): WaggleError {
  return new WaggleError('WAGGLE_TIMEOUT', {
    message: 'The call did not end when its time limit was over',
    next: 'Let the module end a call when the signal of its request aborts.',
  })
}

/**
 * The time limit for the start of a thread, in ms. It is longer than the thread's own limit, because a module that blocks its thread cannot report
 * that the thread's limit has passed.
 */
const startMs = loadMs + 1000
/** The time that a thread has to answer a ping after the time of a call is over, in ms. */
const graceMs = 1000
/** The most messages of a thread that are read when the thread is ended. */
const mostLastMessages = 1000

function sentRequest({ id, callId, headers, contentType, notTaken, deadline, attempt, source }: BeeRequest): SentRequest {
  const owned = headers.map(({ key, value }) => ({ key, value: own(value) }))
  return { id, callId, headers: owned, contentType, notTaken, deadline, attempt, parts: [], source }
}

/** The bytes with their own memory. A message with a slice would copy the whole memory to which the slice belongs. */
function own<B extends Uint8Array | null>(bytes: B): B {
  return bytes === null || bytes.byteLength === bytes.buffer.byteLength ? bytes : (new Uint8Array(bytes) as B)
}

function ownBytes(payload: Payload): Payload {
  if (payload.kind === 'bytes') return { ...payload, bytes: own(payload.bytes) }
  if (payload.kind !== 'joined') return payload
  return { kind: 'joined', parts: new Map([...payload.parts].map(([bee, part]) => [bee, ownBytes(part)])) }
}
