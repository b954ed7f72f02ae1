import { Worker } from 'node:worker_threads'
import { moduleFile } from '../../topology/module-file.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeRequest } from '../define-bee.ts'
import { outputOf, payloadOfInput } from '../payload-input.ts'
import type { FromModule, ModuleThreadData, SentError, SentRequest, ToModule } from './module-messages.ts'
import { receivedError } from './sent-error.ts'

/**
 * Opens a module's bee in worker threads, so that its computing does not block the process. A call goes to the thread with the fewest calls. A thread that
 * dies fails its calls, and the next call starts it again.
 */
export async function openThreadedBee(data: ModuleThreadData, workers: number): Promise<Bee<unknown, unknown>> {
  const threads = Array.from({ length: workers }, () => new ModuleThread(data))
  const close = async () => {
    await Promise.all(threads.map((thread) => thread.close()))
  }
  try {
    const [ready] = await Promise.all(threads.map((thread) => thread.start()))
    const call = (inputs: readonly unknown[], requests: readonly BeeRequest[]) =>
      threads.reduce((least, one) => (one.calls < least.calls ? one : least)).call(inputs, requests)
    const common = { close, example: () => ready?.example ?? null }
    if (ready?.isBatch === true) return { ...common, processBatch: call }
    return {
      ...common,
      async process(input, request) {
        const [outcome] = await call([input], [request])
        if (outcome instanceof WaggleError) throw outcome
        return outcome
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

type Ready = Extract<FromModule, { kind: 'ready' }>

interface OpenCall {
  resolve(outcomes: readonly (Payload | SentError)[]): void
  reject(error: WaggleError): void
}

class ModuleThread {
  readonly #data: ModuleThreadData
  readonly #open = new Map<number, OpenCall>()
  #worker: Worker | null = null
  #starting: Promise<Ready> | null = null
  #next = 0
  #calls = 0

  constructor(data: ModuleThreadData) {
    this.#data = data
  }

  /** The number of open calls, with those that wait for the start. */
  get calls(): number {
    return this.#calls
  }

  /** Starts the thread. Throws what loading the module throws. */
  start(): Promise<Ready> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = null
      throw error
    })
    return this.#starting
  }

  async call(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    this.#calls++
    try {
      await this.start()
      return await this.#call(inputs, requests)
    } finally {
      this.#calls--
    }
  }

  async #call(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly unknown[]> {
    const call = this.#next++
    const signals = requests.map(({ signal }) => signal)
    let timer: NodeJS.Timeout | null = null
    const aborted = () => {
      const reason: unknown = signals.find((signal) => signal.aborted)?.reason
      this.#say({ kind: 'abort', call, reason: saidBy(reason) })
      // A thread that does not give way takes no other call either.
      timer ??= setTimeout(() => this.#end(`it computed on for ${graceMs / 1000} s after its time was over`), graceMs).unref()
    }
    for (const signal of signals) signal.addEventListener('abort', aborted, { once: true })
    try {
      const outcomes = await new Promise<readonly (Payload | SentError)[]>((resolve, reject) => {
        this.#open.set(call, { resolve, reject })
        const payloads = inputs.map((input, at) => ownBytes(payloadOfInput(input, requests[at]?.contentType ?? '')))
        this.#say({ kind: 'call', call, inputs: payloads, requests: requests.map(sentRequest) })
        if (signals.some((signal) => signal.aborted)) aborted()
      })
      return outcomes.map((outcome) => (outcome.kind === 'thrown' ? receivedError(outcome) : outputOf(outcome)))
    } finally {
      this.#open.delete(call)
      if (timer !== null) clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', aborted)
    }
  }

  async close(): Promise<void> {
    this.#end('it is closed')
    await this.#worker?.terminate()
  }

  #start(): Promise<Ready> {
    const worker = new Worker(moduleFile(new URL('./module-thread.ts', import.meta.url)), { workerData: this.#data })
    this.#worker = worker
    return new Promise((resolve, reject) => {
      const ended = (why: string) => {
        reject(this.#failed(why))
        if (this.#worker === worker) this.#end(why)
      }
      worker.on('message', (message: FromModule) => {
        if (message.kind === 'ready') resolve(message)
        else if (message.kind === 'broken') {
          reject(receivedError(message.error))
          void worker.terminate()
        } else if (message.kind === 'done') this.#open.get(message.call)?.resolve(message.outcomes)
        else this.#open.get(message.call)?.reject(receivedError(message.error))
      })
      worker.on('messageerror', (error) => ended(error.message))
      worker.on('error', (error: Error) => ended(error.message))
      worker.on('exit', (code) => ended(`it ended with status ${code}`))
    })
  }

  #say(message: ToModule): void {
    this.#worker?.postMessage(message)
  }

  /** Ends the thread and fails its calls. The next call starts it again. */
  #end(why: string): void {
    const worker = this.#worker
    const open = [...this.#open.values()]
    this.#worker = null
    this.#starting = null
    this.#open.clear()
    void worker?.terminate()
    for (const { reject } of open) reject(this.#failed(why))
  }

  #failed(why: string): WaggleError {
    return new WaggleError('WAGGLE_BEE_FAILED', {
      message: `A thread of ${this.#data.bee} ended: ${why}`,
      next: 'Correct how the module handles this input. The thread starts again with the next call.',
    })
  }
}

/** The time that a call has to end after its time is over, in ms. */
const graceMs = 5000

function sentRequest({ id, headers, contentType, deadline, attempt, source }: BeeRequest): SentRequest {
  return { id, headers: headers.map(({ key, value }) => ({ key, value: own(value) })), contentType, deadline, attempt, source }
}

/** A copy of bytes with memory of its own. A message would take all the memory that a slice belongs to. */
function own<B extends Uint8Array | null>(bytes: B): B {
  return bytes === null || bytes.byteLength === bytes.buffer.byteLength ? bytes : (new Uint8Array(bytes) as B)
}

function ownBytes(payload: Payload): Payload {
  if (payload.kind === 'bytes') return { ...payload, bytes: own(payload.bytes) }
  if (payload.kind !== 'joined') return payload
  return { kind: 'joined', parts: new Map([...payload.parts].map(([bee, part]) => [bee, ownBytes(part)])) }
}
