import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Clock } from '../../processor/ports.ts'
import { moduleFile } from '../../topology/module-file.ts'
import {
  ModelDied,
  type ModelOptions,
  type ModelResult,
  type ModelRow,
  type ModelSignature,
  type Models,
  type OpenModel,
  type VersionFolder,
} from '../../topology/swarm/ports/models.ts'
import { type ErrorWords, Refused, WaggleError } from '../../topology/waggle-error.ts'
import { availableMemory } from '../system/available-memory.ts'
import { systemClock } from '../system/system-clock.ts'
import { refuseLargerThanMemory } from './model-memory.ts'
import type { ModelThreadData, RunMessage, ThreadMessage } from './model-messages.ts'
import { bytesOfRows, packRows } from './packed-rows.ts'
import { repeatLook } from './repeated-look.ts'
import { resultsOf } from './run-results.ts'
import { LocalVersionFolder, versionFolder } from './version-folder.ts'

export interface ThreadedModelsOptions {
  /** True: a bee that asks for a GPU does not start without one. False: such a bee runs on the CPU instead. */
  readonly requireGpu: boolean
  /** The number of threads that compute one run of a model together. Default: 1. */
  readonly threads?: number
  /** The time limit for opening a model, in ms. Default: 60 s; on a GPU 15 minutes, because its libraries compile the model first. */
  readonly openingMs?: number
  /** The memory that a model may use while it is loaded, in bytes. Default: the free memory of the machine or the container. */
  readonly memoryBytes?: number | null
  /** The clock for time limits. Default: the system's clock. */
  readonly clock?: Clock
  /**
   * The grace period of a thread, in ms: the time after a call's time limit in which the thread may still answer. After the grace period the thread
   * is ended. Default: 5 s.
   */
  readonly graceMs?: number
}

/** Runs each model in its own thread. A thread that dies is started again. */
export class ThreadedModels implements Models {
  readonly #options: ThreadedModelsOptions

  constructor(options: ThreadedModelsOptions) {
    this.#options = options
  }

  async open(options: ModelOptions): Promise<OpenModel> {
    // onnxruntime by default sends telemetry to Microsoft. This variable must be set in the process itself, because native code does not see the
    // environment of a thread.
    process.env.ORT_DISABLE_TELEMETRY ??= '1'
    try {
      await access(options.path)
    } catch (cause) {
      throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
        message: `There is no model at ${options.path}`,
        next: 'Correct the path, or the resolve: map that gives it.',
        cause,
      })
    }
    const { path, version } = options
    const { memoryBytes } = this.#options
    await refuseLargerThanMemory(
      version === undefined ? path : await versionFolder(path, version),
      async () => memoryBytes ?? (await availableMemory()),
    )
    const { openingMs = options.gpu > 0 ? 900_000 : 60_000, graceMs = 5000 } = this.#options
    const model = new ThreadedModel(options, { openingMs, graceMs, threads: this.#options.threads ?? 1 })
    const warning = await model.start()
    if (warning === null) return model
    if (this.#options.requireGpu) {
      await model.close()
      throw new WaggleError('WAGGLE_GPU_MISSING', {
        message: `${options.path} asks for a GPU and none can be used: ${warning}`,
        next: 'Install the GPU’s driver and libraries; or set WAGGLE_GPU=prefer to run the model on the CPU or, on Kafka, WAGGLE_GPUS=0 to leave the model to other processes.',
      })
    }
    options.log('warn', `no GPU can be used (${warning}); running on ${model.device}`)
    return model
  }

  versionsAt(path: string, runtime: ModelOptions['runtime']): Promise<VersionFolder | null> {
    return LocalVersionFolder.at(path, runtime, this.#clock)
  }

  watch(look: () => Promise<void>): () => void {
    return repeatLook(this.#clock, betweenLooksMs, look)
  }

  get #clock(): Clock {
    return this.#options.clock ?? systemClock
  }
}

/** The time between two checks of a folder of versions. */
const betweenLooksMs = 2000

type Limits = Required<Pick<ThreadedModelsOptions, 'openingMs' | 'graceMs' | 'threads'>>

/** The limit for the JavaScript heap of a thread. Constants, tensors and the libraries use memory outside of this heap. */
const resourceLimits = { maxOldGenerationSizeMb: 2048 }

class ThreadedModel implements OpenModel {
  readonly #options: ModelOptions
  readonly #limits: Limits
  readonly #calls = new Map<number, { resolve(results: readonly ModelResult[]): void; reject(error: WaggleError): void; buffer: SharedArrayBuffer }>()
  /** Buffers that no call is using. Two are enough: a call fills one buffer while the model reads the other. */
  readonly #free: SharedArrayBuffer[] = []
  #worker: Worker | null = null
  #starting: Promise<string | null> | null = null
  /** Settles when the last terminated thread has ended. Null if no thread is ending. */
  #ending: Promise<void> | null = null
  /** The number of answers so far. It distinguishes a blocked thread from a slow thread. */
  #answers = 0
  #nextCall = 0
  #closed = false
  signature: ModelSignature = {
    inputs: [],
    outputs: [],
    rows: [],
    outputRows: [],
    rowsPerRun: null,
    takesPictures: false,
    classes: null,
    labels: null,
  }
  device = ''
  choice: string | null = null

  constructor(options: ModelOptions, limits: Limits) {
    this.#options = options
    this.#limits = limits
  }

  /** Starts the thread. Concurrent calls share one start. Resolves with a warning if the bee asks for a GPU that cannot be used, else with null. */
  start(): Promise<string | null> {
    this.#starting ??= this.#startThread().finally(() => {
      this.#starting = null
    })
    return this.#starting
  }

  async #startThread(): Promise<string | null> {
    await this.#waitForEnd()
    if (this.#closed) throw this.#failed('it is closed')
    const { path, version, runtime, gpu, fit, output, tensorflow = {}, isLabelled = false } = this.#options
    const workerData: ModelThreadData = { path, version, runtime, gpu, threads: this.#limits.threads, fit, output, tensorflow, isLabelled }
    const worker = new Worker(moduleFile(new URL('./model-thread.ts', import.meta.url)), {
      workerData,
      stdout: false,
      stderr: false,
      resourceLimits,
    })
    this.#worker = worker
    let timer: NodeJS.Timeout | undefined
    const ready = new Promise<string | null>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(this.#invalid(`it did not open within ${this.#limits.openingMs / 1000} s`))
        this.#worker = null
        this.#terminate(worker)
      }, this.#limits.openingMs)
      worker.on('message', (message: ThreadMessage) => {
        if (message.kind === 'ready') {
          if (this.device !== '' && !isDeepStrictEqual(message.signature, this.signature)) {
            this.#worker = null
            reject(this.#changed())
            void worker.terminate()
            return
          }
          this.signature = message.signature
          this.device = message.device
          this.choice = message.choice
          resolve(message.warning)
        } else if (message.kind === 'broken') {
          this.#worker = null
          reject(new WaggleError(message.code, message))
          void worker.terminate()
        } else this.#answer(message)
      })
      worker.on('messageerror', () => void worker.terminate())
      worker.on('error', (error) => {
        reject(this.#invalid(error.message, error))
        this.#died(worker, error.message)
      })
      worker.on('exit', (code) => {
        reject(
          new WaggleError('WAGGLE_MODEL_FAILED', {
            message: `The thread of ${this.#place} ended with ${code} before it was ready`,
            next: 'See that the model fits into memory, and run the model alone to see why its thread ends.',
          }),
        )
        this.#died(worker, `it ended with ${code}`)
      })
    })
    return ready.finally(() => clearTimeout(timer))
  }

  /**
   * Waits until the last thread has ended, because two threads would hold the model in memory twice. Throws if that thread is blocked in native code.
   */
  async #waitForEnd(): Promise<void> {
    if (this.#ending === null) return
    const isOver = await Promise.race([this.#ending.then(() => true), delay(this.#limits.graceMs, false, { ref: false })])
    if (!isOver) throw this.#failed('its thread is to end, and computes in native code, which cannot be interrupted')
  }

  #terminate(worker: Worker): void {
    const ending = worker.terminate().then(() => {
      if (this.#ending === ending) this.#ending = null
    })
    this.#ending = ending
  }

  async run(rows: readonly ModelRow[], signal: AbortSignal): Promise<readonly ModelResult[]> {
    if (this.#closed) throw this.#failed('it is closed')
    if (this.#worker === null || this.#starting !== null) await this.start()
    const worker = this.#worker
    if (worker === null) throw this.#failed('its thread died')
    signal.throwIfAborted()
    const buffer = this.#take(bytesOfRows(rows))
    const message: RunMessage = { call: this.#nextCall++, buffer, rows: packRows(rows, buffer) }
    const { graceMs } = this.#limits
    let timer: NodeJS.Timeout | undefined
    // If the thread has answered other calls meanwhile, it is not blocked, and this call is only waiting for them.
    const watch = () => {
      const answers = this.#answers
      timer = setTimeout(() => {
        if (this.#answers === answers) this.#end(worker, `it computed on for ${graceMs / 1000} s after its time was over`)
        else watch()
      }, graceMs).unref()
    }
    signal.addEventListener('abort', watch, { once: true })
    try {
      return await new Promise((resolve, reject) => {
        this.#calls.set(message.call, { resolve, reject, buffer })
        worker.postMessage(message)
      })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', watch)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#worker?.terminate()
  }

  #end(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#terminate(worker)
    this.#died(worker, why)
  }

  #answer(message: Extract<ThreadMessage, { kind: 'result' | 'failed' }>): void {
    this.#answers++
    const call = this.#calls.get(message.call)
    if (call === undefined) return
    this.#calls.delete(message.call)
    if (this.#free.length < 2) this.#free.push(call.buffer)
    if (message.kind === 'failed') call.reject(refusalOf(message.message) ?? this.#failed(message.message))
    else call.resolve(resultsOf(message.runs))
  }

  /**
   * Fails the calls in flight. The engine then tries their rows one by one. The thread is started again. If the start fails, the next call starts the
   * thread.
   */
  #died(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    const wasStarting = this.#starting !== null
    this.#worker = null
    for (const [, { reject }] of this.#calls) reject(new ModelDied('WAGGLE_MODEL_FAILED', this.#failureWords(why)))
    this.#calls.clear()
    if (this.#closed || wasStarting) return
    this.#options.log('error', `the thread of ${this.#place} died (${why}) and is started again`)
    this.start().catch((error: unknown) =>
      this.#options.log('error', `the thread of ${this.#place} cannot be started: ${error instanceof Error ? error.message : String(error)}`),
    )
  }

  /** The model's path, with its version, for messages. */
  get #place(): string {
    const { path, version } = this.#options
    return version === undefined ? path : join(path, String(version))
  }

  #take(bytes: number): SharedArrayBuffer {
    const buffer = this.#free.pop()
    return buffer !== undefined && buffer.byteLength >= bytes ? buffer : new SharedArrayBuffer(bytes)
  }

  #invalid(why: string, cause?: unknown): WaggleError {
    return new WaggleError('WAGGLE_MODEL_INVALID', {
      message: `${this.#place} cannot be loaded: ${why}`,
      next: 'See that the file is whole, of the right kind, and no larger than this machine can load.',
      cause,
    })
  }

  /** The error if the file was replaced while the model was open. The readers of its results rely on the old signature. */
  #changed(): WaggleError {
    return new WaggleError('WAGGLE_MODEL_SHAPE', {
      message: `${this.#place} has other inputs, outputs or labels than when it was opened, so its thread is not started again`,
      next: 'Put the former file back, or stop the swarm and start it with the new file.',
    })
  }

  #failed(why: string): WaggleError {
    return new WaggleError('WAGGLE_MODEL_FAILED', this.#failureWords(why))
  }

  #failureWords(why: string): ErrorWords {
    return {
      message: `The model ${this.#place} failed: ${why}`,
      next: "Send an input that fits the model's signature. If the model's thread has died, Waggle starts it again.",
    }
  }
}

/**
 * The refusal of an input, if onnxruntime fails because the model does not know a value. Null for any other failure, which is not the caller's
 * mistake.
 */
function refusalOf(message: string): Refused | null {
  const known = unlearned.find(([said]) => said.test(message))
  return known === undefined ? null : new Refused(known[1])
}

const unlearned: readonly (readonly [RegExp, string])[] = [
  [/\bUnknown Category\b/, 'A value is none of the categories that the model knows'],
  [/\bindices element out of data bounds\b/, 'A number, such as the id of a token, is none of those that the model knows'],
]
