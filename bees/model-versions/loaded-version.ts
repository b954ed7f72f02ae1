import { type ModelCall, ModelDied, type ModelRow, type OpenModel } from '../../topology/swarm/ports/models.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { modelRowOf, zeroRow } from '../model/model-input.ts'
import { type ModelPrediction, type ModelReading, predictionOf } from '../model/model-reading.ts'

export interface LoadedVersionOptions {
  readonly bee: string
  /** The number of the version; null for a model without numbered versions. */
  readonly version: number | null
  /** A text that changes when the files of the version change. */
  readonly fingerprint: string
  readonly model: OpenModel
  readonly reading: ModelReading
  /** The time at which the version was loaded, in epoch ms. */
  readonly loadedAt: number
}

export interface Flaw {
  readonly code: 'WAGGLE_NOT_FINITE' | 'WAGGLE_MODEL_FAILED'
  readonly words: string
}

/** One version of a model, in memory. After `retire` it closes when its last call has ended. */
export class LoadedVersion {
  readonly version: number | null
  readonly fingerprint: string
  readonly model: OpenModel
  readonly reading: ModelReading
  readonly loadedAt: number
  readonly #bee: string
  #calls = 0
  #retired: (() => void) | null = null
  #closed: Promise<void> | null = null
  /** Settles when the running second tries have ended. */
  #secondTries: Promise<void> = Promise.resolve()

  constructor({ bee, version, fingerprint, model, reading, loadedAt }: LoadedVersionOptions) {
    this.#bee = bee
    this.version = version
    this.fingerprint = fingerprint
    this.model = model
    this.reading = reading
    this.loadedAt = loadedAt
  }

  /** The prediction or the error of each input. */
  async predict(inputs: readonly unknown[], signal: AbortSignal, call: Partial<ModelCall> = {}): Promise<readonly (ModelPrediction | WaggleError)[]> {
    const rows = inputs.map((input) => attempt(() => modelRowOf(input, this.model.signature)))
    const good = rows.filter((row): row is ModelRow => !(row instanceof WaggleError))
    const results = good.length === 0 ? [] : await this.#run(good, signal, call)
    let next = 0
    return rows.map((row) => {
      if (row instanceof WaggleError) return row
      const result = results[next++]
      const from = this.version === null ? { model: this.#bee } : { model: this.#bee, version: String(this.version) }
      return attempt(() => predictionOf(result ?? { outputs: {} }, this.reading, from))
    })
  }

  /**
   * Runs one full batch of zeros. In this run the library compiles the model and reserves memory for its largest batch. The first requests therefore
   * take no longer than later requests, and memory does not grow. Returns the flaw that the run shows. Returns null if the outputs are finite
   * numbers, or if the model takes strings.
   */
  async flawWithZeros(batchSize: number): Promise<Flaw | null> {
    const row = zeroRow(this.model.signature)
    if (row === null) return null
    try {
      const [first] = await this.model.run(Array<ModelRow>(batchSize).fill(row), neverAborted)
      const values = Object.values(first?.outputs ?? {}).flatMap((output) => output.values)
      return values.every((value) => typeof value !== 'number' || Number.isFinite(value))
        ? null
        : { code: 'WAGGLE_NOT_FINITE', words: 'gives NaN or infinity' }
    } catch (thrown) {
      return { code: 'WAGGLE_MODEL_FAILED', words: `fails (${saidBy(thrown)})` }
    }
  }

  /** Closes the model when its last call has ended. New calls must go elsewhere. */
  retire(): Promise<void> {
    this.#closed ??= this.#drained().then(() => this.model.close())
    return this.#closed
  }

  /** Closes the model now. Its open calls fail. */
  close(): Promise<void> {
    this.#closed = this.model.close()
    this.#retired?.()
    return this.#closed
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#calls === 0) resolve()
      else this.#retired = resolve
    })
  }

  async #run(rows: readonly ModelRow[], signal: AbortSignal, call: Partial<ModelCall>): ReturnType<OpenModel['run']> {
    this.#calls++
    try {
      await this.#secondTries
      return await this.model.run(rows, signal, call)
    } catch (thrown) {
      // After a failure of a larger batch, the engine calls again with each row alone. So only a single row is tried again here.
      if (!(thrown instanceof ModelDied) || rows.length > 1) throw thrown
      return await this.#tryAgainAlone(rows, signal, call)
    } finally {
      this.#calls--
      if (this.#calls === 0) this.#retired?.()
    }
  }

  /**
   * Runs a row again that was in the model when the thread died. All other calls wait until this run has ended, so a row that crashes the thread
   * fails alone.
   */
  #tryAgainAlone(rows: readonly ModelRow[], signal: AbortSignal, call: Partial<ModelCall>): ReturnType<OpenModel['run']> {
    const again = this.#secondTries.then(() => this.model.run(rows, signal, call))
    this.#secondTries = again.then(
      () => {},
      () => {},
    )
    return again
  }
}

function attempt<T>(make: () => T): T | WaggleError {
  try {
    return make()
  } catch (thrown) {
    return WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Send an input that the model takes.' })
  }
}

const neverAborted = new AbortController().signal
