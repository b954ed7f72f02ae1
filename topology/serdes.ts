import type { Static, TSchema } from 'typebox'
import { listSerde } from './list-serde.ts'
import { readLong, writeLong } from './number-bytes.ts'
import type { Windowed } from './record.ts'
import { schemaSerde } from './schema-serde.ts'
import type { AnySerde, Serde } from './serde.ts'
import { sessionWindowedSerde, timeWindowedSerde } from './streams/windowed-serdes.ts'
import { WaggleError } from './waggle-error.ts'
import { refuseOtherThanBytes, wrongType } from './wrong-type.ts'

const encoder = new TextEncoder()
/** This decoder keeps a byte order mark, as Java does. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const string: Serde<string> = {
  serialize(topic, value) {
    if (typeof value !== 'string') throw wrongType(topic, value, 'a string')
    return value.length < 256 ? Buffer.from(value) : encoder.encode(value)
  },
  deserialize(topic, data) {
    refuseOtherThanBytes(topic, data)
    return data.length < 256 ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString() : decoder.decode(data)
  },
}

const bytes: Serde<Uint8Array> = {
  serialize(topic, value) {
    if (!(value instanceof Uint8Array)) throw wrongType(topic, value, 'a Uint8Array')
    return value
  },
  deserialize(topic, data) {
    refuseOtherThanBytes(topic, data)
    return data
  },
}

const long: Serde<number> = {
  serialize(topic, value) {
    if (typeof value !== 'number') throw wrongType(topic, value, 'a number')
    if (!Number.isSafeInteger(value)) throw unsafe(value)
    const data = Buffer.allocUnsafe(8)
    writeLong(data, value, 0)
    return data
  },
  deserialize(topic, data) {
    exactly(topic, data, 8)
    const value = readLong(data, 0)
    if (!Number.isSafeInteger(value)) throw unsafe(new DataView(data.buffer, data.byteOffset, 8).getBigInt64(0))
    return value
  },
}

const integer = fixedSize<number>({
  size: 4,
  type: 'an integer of 32 bits',
  accepts: (value) => typeof value === 'number' && value === (value | 0),
  write: (data, value) => data.writeInt32BE(value),
  read: (view) => view.getInt32(0),
})

const double = fixedSize<number>({
  size: 8,
  type: 'a number',
  accepts: (value) => typeof value === 'number',
  write: (data, value) => data.writeDoubleBE(value),
  read: (view) => view.getFloat64(0),
})

const anyJson: Serde<unknown> = {
  serialize(topic, value) {
    const json = asJson(value)
    if (json === undefined) throw wrongType(topic, value, 'a value that JSON has')
    return Buffer.from(json)
  },
  deserialize(topic, data) {
    try {
      return JSON.parse(decoder.decode(data))
    } catch (cause) {
      throw new WaggleError('WAGGLE_INVALID_VALUE', {
        message: `A value of ${topic} is not JSON: ${(cause as Error).message}`,
        next: 'Read the topic with the serde that it was written with.',
        cause,
      })
    }
  },
}

/** The value as JSON. Undefined for a function, a bigint and a cycle. */
function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

const boolean: Serde<boolean> = {
  serialize(topic, value) {
    if (typeof value !== 'boolean') throw wrongType(topic, value, 'a boolean')
    return Buffer.of(value ? 1 : 0)
  },
  deserialize(topic, data) {
    exactly(topic, data, 1)
    if (data[0] === 0 || data[0] === 1) return data[0] === 1
    throw new WaggleError('WAGGLE_INVALID_VALUE', {
      message: `A value of ${topic} is ${data[0]}, where true is 1 and false is 0`,
      next: 'Read the topic with the serde that it was written with.',
    })
  },
}

const short = fixedSize<number>({
  size: 2,
  type: 'an integer of 16 bits',
  accepts: (value) => typeof value === 'number' && value === (value << 16) >> 16,
  write: (data, value) => data.writeInt16BE(value),
  read: (view) => view.getInt16(0),
})

const float = fixedSize<number>({
  size: 4,
  type: 'a number',
  accepts: (value) => typeof value === 'number',
  write: (data, value) => data.writeFloatBE(value),
  read: (view) => view.getFloat32(0),
})

const bigLong = fixedSize<bigint>({
  size: 8,
  type: 'a bigint of 64 bits',
  accepts: (value) => typeof value === 'bigint' && value === BigInt.asIntN(64, value),
  write: (data, value) => data.writeBigInt64BE(value),
  read: (view) => view.getBigInt64(0),
})

const uuid: Serde<string> = {
  serialize(topic, value) {
    if (typeof value === 'string' && uuidForm.test(value)) return Buffer.from(value)
    throw wrongType(topic, value, 'a UUID')
  },
  deserialize(topic, data) {
    const value = string.deserialize(topic, data)
    if (uuidForm.test(value)) return value
    throw new WaggleError('WAGGLE_INVALID_VALUE', {
      message: `A value of ${topic} is not a UUID: ${value}`,
      next: 'Read the topic with the serde that it was written with.',
    })
  },
}
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The serde for keys or values that are always null. */
const nothing: Serde<never> = {
  serialize(topic) {
    throw new WaggleError('WAGGLE_INVALID_VALUE', {
      message: `A value was written to ${topic}, whose serde takes only null`,
      next: `Give ${topic} the serde of the values that you write.`,
    })
  },
  deserialize(topic) {
    throw new WaggleError('WAGGLE_INVALID_VALUE', {
      message: `${topic} has a value where there should be none`,
      next: `Read ${topic} with the serde that it was written with.`,
    })
  },
}

/** A serde whose values all have the same size, in bytes. */
function fixedSize<T>({ size, type, accepts, write, read }: FixedSize<T>): Serde<T> {
  return {
    serialize(topic, value) {
      if (!accepts(value)) throw wrongType(topic, value, type)
      const data = Buffer.allocUnsafe(size)
      write(data, value)
      return data
    },
    deserialize(topic, data) {
      exactly(topic, data, size)
      return read(new DataView(data.buffer, data.byteOffset, size))
    },
  }
}

interface FixedSize<T> {
  readonly size: number
  /** The type of the values. An error about a value of another type names it. */
  readonly type: string
  readonly accepts: (value: unknown) => boolean
  readonly write: (data: Buffer, value: T) => void
  readonly read: (view: DataView) => T
}

/** The size of each value in bytes, for serdes of fixed size. Java writes lists of such values without lengths. */
const fixedSizes: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [short, 2],
  [integer, 4],
  [float, 4],
  [long, 8],
  [bigLong, 8],
  [double, 8],
  [uuid, 36],
])

/** Serdes in Java's encodings, so that a Java program can read the same topic. A serde without arguments is the same object each time. */
export const Serdes = {
  string: (): Serde<string> => string,
  boolean: (): Serde<boolean> => boolean,
  bytes: (): Serde<Uint8Array> => bytes,
  uuid: (): Serde<string> => uuid,
  short: (): Serde<number> => short,
  integer: (): Serde<number> => integer,
  float: (): Serde<number> => float,
  double: (): Serde<number> => double,
  /** 64 bits as a number. Writing or reading a value outside ±(2^53 - 1) throws WAGGLE_UNSAFE_INTEGER. */
  long: (): Serde<number> => long,
  bigLong: (): Serde<bigint> => bigLong,
  void: (): Serde<never> => nothing,
  list: <T>(inner: Serde<T>): Serde<readonly T[]> => listSerde(inner, fixedSizes.get(inner) ?? null),
  json,
  timeWindowed: <K>(inner: Serde<K>, windowSizeMs: number): Serde<Windowed<K>> =>
    timeWindowedSerde(inner as unknown as AnySerde, windowSizeMs) as Serde<unknown> as Serde<Windowed<K>>,
  sessionWindowed: <K>(inner: Serde<K>): Serde<Windowed<K>> =>
    sessionWindowedSerde(inner as unknown as AnySerde) as Serde<unknown> as Serde<Windowed<K>>,
}

/**
 * The serde for JSON that matches a schema. A value that does not match the schema throws WAGGLE_INVALID_VALUE. Without a schema the type T is not
 * checked.
 */
function json<S extends TSchema>(schema: S): Serde<Static<S>>
function json<T>(): Serde<T>
function json(schema?: TSchema): Serde<unknown> {
  return schema === undefined ? anyJson : schemaSerde(schema, anyJson)
}

function unsafe(value: number | bigint): WaggleError {
  return new WaggleError('WAGGLE_UNSAFE_INTEGER', {
    message: `${value} is not an integer that a number can hold exactly`,
    next: 'Use a serde of bigint.',
  })
}

function exactly(topic: string, data: Uint8Array, length: number): void {
  refuseOtherThanBytes(topic, data)
  if (data.length === length) return
  throw new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `A value of ${topic} has ${data.length} bytes where its type has ${length}`,
    next: 'Read the topic with the serde that it was written with.',
  })
}
