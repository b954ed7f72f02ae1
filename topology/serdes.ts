import type { Serde } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const string: Serde<string> = {
  serialize: (_, value) => (value.length < 256 ? Buffer.from(value) : encoder.encode(value)),
  deserialize: (_, data) => (data.length < 256 ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString() : decoder.decode(data)),
}

const bytes: Serde<Uint8Array> = {
  serialize: (_, value) => value,
  deserialize: (_, data) => data,
}

const long: Serde<number> = {
  serialize(_, value) {
    if (!Number.isSafeInteger(value)) throw unsafe(value)
    const data = Buffer.allocUnsafe(8)
    data.writeInt32BE(Math.floor(value / 2 ** 32), 0)
    data.writeUInt32BE(value >>> 0, 4)
    return data
  },
  deserialize(topic, data) {
    exactly(topic, data, 8)
    const view = new DataView(data.buffer, data.byteOffset, 8)
    const value = view.getInt32(0) * 2 ** 32 + view.getUint32(4)
    if (!Number.isSafeInteger(value)) throw unsafe(view.getBigInt64(0))
    return value
  },
}

const integer: Serde<number> = {
  serialize(_, value) {
    const data = Buffer.allocUnsafe(4)
    data.writeInt32BE(value)
    return data
  },
  deserialize(topic, data) {
    exactly(topic, data, 4)
    return new DataView(data.buffer, data.byteOffset, 4).getInt32(0)
  },
}

const double: Serde<number> = {
  serialize(_, value) {
    const data = Buffer.allocUnsafe(8)
    data.writeDoubleBE(value)
    return data
  },
  deserialize(topic, data) {
    exactly(topic, data, 8)
    return new DataView(data.buffer, data.byteOffset, 8).getFloat64(0)
  },
}

const anyJson: Serde<unknown> = {
  serialize: (_, value) => Buffer.from(JSON.stringify(value)),
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

/** Serdes in Java's wire form, so that a Java program reads the same topic. Each call gives the same object. */
export const Serdes = {
  string: (): Serde<string> => string,
  bytes: (): Serde<Uint8Array> => bytes,
  /** 64 bits as a number: beyond ±(2^53 - 1) WAGGLE_UNSAFE_INTEGER, reading and writing. */
  long: (): Serde<number> => long,
  integer: (): Serde<number> => integer,
  double: (): Serde<number> => double,
  json: <T>(): Serde<T> => anyJson as Serde<T>,
}

function unsafe(value: number | bigint): WaggleError {
  return new WaggleError('WAGGLE_UNSAFE_INTEGER', {
    message: `${value} is no integer that a number can hold exactly`,
    next: 'Use a serde of bigint.',
  })
}

function exactly(topic: string, data: Uint8Array, length: number): void {
  if (data.length === length) return
  throw new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `A value of ${topic} has ${data.length} bytes where its type has ${length}`,
    next: 'Read the topic with the serde that it was written with.',
  })
}
