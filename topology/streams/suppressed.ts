import type { Windowed } from '../record.ts'
import { WaggleError } from '../waggle-error.ts'
import type { Named } from './options.ts'

type Full = 'emitEarly' | 'shutDown'

/** Java's Suppressed.BufferConfig. Full, it emits its oldest record, or stops the application with WAGGLE_BUFFER_FULL. */
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

  static unbounded(): BufferConfig<'shutDown'> {
    return new BufferConfig(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 'shutDown')
  }

  static maxRecords(records: number): BufferConfig<'emitEarly'> {
    return new BufferConfig(records, Number.POSITIVE_INFINITY, 'emitEarly')
  }

  static maxBytes(bytes: number): BufferConfig<'emitEarly'> {
    return new BufferConfig(Number.POSITIVE_INFINITY, bytes, 'emitEarly')
  }

  withMaxRecords(records: number): BufferConfig<When> {
    return new BufferConfig(records, this.maxBytes, this.whenFull)
  }

  withMaxBytes(bytes: number): BufferConfig<When> {
    return new BufferConfig(this.maxRecords, bytes, this.whenFull)
  }

  emitEarlyWhenFull(): BufferConfig<'emitEarly'> {
    return new BufferConfig(this.maxRecords, this.maxBytes, 'emitEarly')
  }

  shutDownWhenFull(): BufferConfig<'shutDown'> {
    return new BufferConfig(this.maxRecords, this.maxBytes, 'shutDown')
  }
}

/** Which of a table's updates go on. KIP-328. */
export class Suppressed<in K> {
  /** Null: until the window closes. */
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

  /** For windowed tables only, with a buffer that never emits early. */
  static untilWindowCloses(buffer: BufferConfig<'shutDown'>, named?: Named): Suppressed<Windowed<unknown>> {
    return new Suppressed<Windowed<unknown>>(null, buffer, named)
  }

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
