import type { AsyncCall, AsyncStep } from '../async-step.ts'
import { WaggleError } from '../waggle-error.ts'
import { defined } from './defined.ts'
import { type KStream, Stream, type StreamParts } from './kstream.ts'

export interface AsyncCallOf<K> extends Omit<AsyncCall<K>, 'metadata'> {}

/** Limits of an asynchronous step. A call that takes longer than `timeoutMs` is aborted, and its record fails with WAGGLE_TIMEOUT. */
export interface AsyncOptions {
  /** The most calls in flight in a task. */
  concurrency: number
  timeoutMs: number
  /**
   * `partition`, the default: results are forwarded in the order of the input. `key`: only results of the same key keep their order. A result may
   * then overtake thousands of results of other keys. With either setting a record is processed once, because the commit lists the records that have
   * overtaken others.
   */
  ordered?: 'partition' | 'key'
  /** The number of further calls for a record whose call failed. Default: 0. A record that the function refuses (`Refused`) gets no further call. */
  retries?: number
  name?: string
}

export interface BatchOptions {
  size: number
  timeoutMs: number
  release?: 'idle' | 'full'
  name?: string
}

/** A stream whose next step gets several records at once. */
export interface BatchedKStream<K, V> {
  /**
   * Calls an asynchronous function for each batch. Each result replaces its record's value. Key, timestamp, headers and partition stay.
   *
   * @example
   * ```ts
   * lines
   *   .batch({ size: 32, timeoutMs: 20 })
   *   .mapAsync(async (batch) => batch.map((line) => line.toUpperCase()), { concurrency: 2, timeoutMs: 5_000 })
   *   .to('shouted', Produced.with(text, text))
   * ```
   *
   * @remarks Return one result for each record, in order. Any other number of results is WAGGLE_BATCH_LENGTH. If a call fails, all its records fail.
   */
  mapAsync<W>(mapper: (values: readonly V[], calls: readonly AsyncCallOf<K>[]) => Promise<readonly W[]>, options: AsyncOptions): KStream<K, W>
}

export class AsyncStream<K, V> implements BatchedKStream<K, V> {
  readonly #parts: StreamParts
  readonly #batch: BatchOptions | null

  constructor(parts: StreamParts, batch: BatchOptions | null) {
    if (batch !== null && !(batch.size >= 1 && batch.timeoutMs >= 0))
      throw invalid(`A batch of ${batch.size} records and ${batch.timeoutMs} ms cannot be`)
    this.#parts = parts
    this.#batch = batch
  }

  mapEach<W>(mapper: (value: V, call: AsyncCallOf<K>) => Promise<W>, options: AsyncOptions): KStream<K, W> {
    return this.#add(options, (values, calls) => Promise.all(values.map((value, at) => mapper(value, calls[at] as AsyncCallOf<K>))))
  }

  mapAsync<W>(mapper: (values: readonly V[], calls: readonly AsyncCallOf<K>[]) => Promise<readonly W[]>, options: AsyncOptions): KStream<K, W> {
    return this.#add(options, async (values, calls) => {
      const results = defined(await mapper(values, calls), 'mapAsync')
      if (Array.isArray(results)) return results
      throw new WaggleError('WAGGLE_BATCH_LENGTH', {
        message: `mapAsync of a batch of ${values.length} gave no list (${typeof results})`,
        next: 'Give a list with one result a record, in order.',
      })
    })
  }

  #add<W>(options: AsyncOptions, call: (values: readonly V[], calls: readonly AsyncCallOf<K>[]) => Promise<readonly W[]>): KStream<K, W> {
    const { concurrency, timeoutMs, retries = 0, ordered = 'partition' } = options
    if (!(concurrency >= 1 && timeoutMs >= 1 && retries >= 0))
      throw invalid(`${concurrency} calls of ${timeoutMs} ms, tried ${retries} times again, cannot be`)
    const { graph, output } = this.#parts
    const batch = this.#batch
    const name = options.name ?? batch?.name ?? graph.newName('KSTREAM-MAPASYNC-')
    const step: AsyncStep<K, V, V, W> = {
      open: async () => ({ call }),
      batch: batch === null ? null : { size: batch.size, timeoutMs: batch.timeoutMs, release: batch.release ?? 'idle' },
      concurrency,
      counts: 'task',
      maxInFlight: Math.max(64, concurrency * (batch?.size ?? 1) * 2),
      timeoutMs,
      ordered,
      bytesOf: (value) => (ArrayBuffer.isView(value) ? value.byteLength : 0),
      retries,
      nameOf: (_, { topic, partition, offset }) => `${name}/${topic}-${partition}@${offset}`,
      admit: () => 'call',
      forward(outcome, record, context) {
        if (outcome.kind === 'error') throw failureOf(outcome.error, name, timeoutMs)
        if (outcome.kind === 'result') context.forward({ ...record, value: defined(outcome.result, 'mapAsync') })
      },
    }
    graph.add({ output: name, inputs: [output], changes: { value: true }, write: (topology) => topology.addAsync(name, step, [output]) })
    return new Stream({ ...this.#parts, output: name, value: null })
  }
}

/** The failure as users of the DSL see it: the error that the user's function threw, or a timeout. */
function failureOf(error: WaggleError, name: string, timeoutMs: number): unknown {
  if (error.code === 'WAGGLE_TIMEOUT') {
    return new WaggleError('WAGGLE_TIMEOUT', {
      message: `${name} had no result within ${timeoutMs} ms`,
      next: 'Raise timeoutMs, or find out what the call waits for.',
    })
  }
  return error.code === 'WAGGLE_BEE_FAILED' ? error.cause : error
}

function invalid(message: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message, next: 'Give at least one call, one record and one millisecond.' })
}
