import type { Windowed } from '../record.ts'
import { WaggleError } from '../waggle-error.ts'
import type { Named } from './options.ts'

type Full = 'emitEarly' | 'shutDown'

/**
 * Limits of a suppress buffer (Java's Suppressed.BufferConfig). A full buffer emits its oldest record, or stops the application with
 * WAGGLE_BUFFER_FULL.
 */
export class BufferConfig<out When extends Full = Full> {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: Full
  declare private readonly types: ['buffer', When]

  private constructor(maxRecords: number, maxBytes: number, whenFull: Full) {
    this.maxRecords = bound(maxRecords)
    this.maxBytes = bound(maxBytes)
    this.whenFull = whenFull
  }

  /**
   * Holds back any number of updates. Only the machine's memory limits their number.
   *
   * @example
   * ```ts
   * Suppressed.untilWindowCloses(BufferConfig.unbounded())
   * ```
   *
   * @remarks Set a limit with `withMaxRecords` or `withMaxBytes`. Past this limit the application stops with WAGGLE_BUFFER_FULL.
   */
  static unbounded(): BufferConfig<'shutDown'> {
    return new BufferConfig(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 'shutDown')
  }

  /**
   * Holds back at most this number of records. Past this number the oldest record is forwarded early.
   *
   * @example
   * ```ts
   * Suppressed.untilTimeLimit(5_000, BufferConfig.maxRecords(10_000))
   * ```
   */
  static maxRecords(records: number): BufferConfig<'emitEarly'> {
    return new BufferConfig(records, Number.POSITIVE_INFINITY, 'emitEarly')
  }

  /**
   * Holds back at most this number of bytes of keys and values. Past this number the oldest record is forwarded early.
   *
   * @example
   * ```ts
   * Suppressed.untilTimeLimit(5_000, BufferConfig.maxBytes(16 * 1024 * 1024))
   * ```
   */
  static maxBytes(bytes: number): BufferConfig<'emitEarly'> {
    return new BufferConfig(Number.POSITIVE_INFINITY, bytes, 'emitEarly')
  }

  /**
   * Adds a limit of records. The behaviour of a full buffer stays.
   *
   * @example
   * ```ts
   * Suppressed.untilWindowCloses(BufferConfig.unbounded().withMaxRecords(100_000))
   * ```
   */
  withMaxRecords(records: number): BufferConfig<When> {
    return new BufferConfig(records, this.maxBytes, this.whenFull)
  }

  /**
   * Adds a limit of bytes. The behaviour of a full buffer stays.
   *
   * @example
   * ```ts
   * Suppressed.untilWindowCloses(BufferConfig.unbounded().withMaxBytes(64 * 1024 * 1024))
   * ```
   */
  withMaxBytes(bytes: number): BufferConfig<When> {
    return new BufferConfig(this.maxRecords, bytes, this.whenFull)
  }

  /**
   * Forwards the oldest record if the buffer is full. `untilWindowCloses` does not accept such a buffer, because a window could have two results.
   *
   * @example
   * ```ts
   * Suppressed.untilTimeLimit(5_000, BufferConfig.maxBytes(1_000_000).withMaxRecords(1_000).emitEarlyWhenFull())
   * ```
   */
  emitEarlyWhenFull(): BufferConfig<'emitEarly'> {
    return new BufferConfig(this.maxRecords, this.maxBytes, 'emitEarly')
  }

  /**
   * Stops the application with WAGGLE_BUFFER_FULL if the buffer is full, so that no result is forwarded early.
   *
   * @example
   * ```ts
   * Suppressed.untilWindowCloses(BufferConfig.maxRecords(100_000).shutDownWhenFull())
   * ```
   */
  shutDownWhenFull(): BufferConfig<'shutDown'> {
    return new BufferConfig(this.maxRecords, this.maxBytes, 'shutDown')
  }
}

/** Chooses the updates of a table that are forwarded (KIP-328). */
export class Suppressed<in K> {
  /** The time for which an update is held back, in ms. Null: the update is held back until its window closes. */
  readonly timeLimitMs: number | null
  readonly maxRecords: number
  readonly maxBytes: number
  readonly whenFull: Full
  readonly name: string | null
  declare private readonly types: (key: K) => void

  private constructor(timeLimitMs: number | null, { maxRecords, maxBytes, whenFull }: BufferConfig, named: Named | undefined) {
    this.timeLimitMs = timeLimitMs
    this.maxRecords = maxRecords
    this.maxBytes = maxBytes
    this.whenFull = whenFull
    this.name = named?.name ?? null
  }

  /**
   * Holds a windowed table's updates back until the window's end and its grace are over, so that each window has one result.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
   *   .count(Materialized.as('clicks-a-minute', { keySerde: text }))
   *   .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded(), Named.as('closed-minutes')))
   * ```
   *
   * @remarks The table must be windowed (WAGGLE_INVALID_TOPOLOGY). The last window is held back until a later record comes.
   */
  static untilWindowCloses(buffer: BufferConfig<'shutDown'>, named?: Named): Suppressed<Windowed<unknown>> {
    return new Suppressed<Windowed<unknown>>(null, buffer, named)
  }

  /**
   * Holds a key's update back for the given time in milliseconds, by the records' timestamps. Later updates of the key replace the held update
   * meanwhile.
   *
   * @example
   * ```ts
   * customers
   *   .suppress(Suppressed.untilTimeLimit(5_000, BufferConfig.maxRecords(10_000), Named.as('calmed')))
   *   .toStream()
   *   .to('calm-customers', Produced.with(text, customerSerde))
   * ```
   *
   * @remarks A full buffer forwards its oldest update early, or stops the application, as `BufferConfig` says.
   */
  static untilTimeLimit(timeLimitMs: number, buffer: BufferConfig, named?: Named): Suppressed<unknown> {
    if (!(timeLimitMs >= 0))
      throw new WaggleError('WAGGLE_INVALID_WINDOW', { message: `A time limit of ${timeLimitMs} ms cannot be`, next: 'Give at least 0 ms.' })
    return new Suppressed<unknown>(timeLimitMs, buffer, named)
  }
}

function bound(value: number): number {
  if (value >= 0) return value
  throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: `A buffer cannot be bounded by ${value}`, next: 'Give a number of at least 0.' })
}
