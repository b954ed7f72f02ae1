import { readLong, writeLong } from '../number-bytes.ts'
import type { Windowed } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { refuseOtherThanBytes, wrongType } from '../wrong-type.ts'
import { composed } from './unset-serde.ts'

/** Layout: `key │ window start i64 BE`, as Kafka Streams writes a time window's key. The window's size is not written. */
export function timeWindowedSerde(inner: AnySerde, windowSizeMs: number): Serde<Windowed<unknown>> {
  return composed([inner], (key) => ({
    serialize(topic, windowed, headers) {
      refuseUnwindowed(topic, windowed)
      return withLongs(key.serialize(topic, windowed.key, headers), [windowed.window.start])
    },
    deserialize(topic, data, headers) {
      refuseShort(topic, data, 8)
      const start = readLong(data, data.length - 8)
      const end = Math.min(start + windowSizeMs, Number.MAX_SAFE_INTEGER)
      return { key: key.deserialize(topic, data.subarray(0, data.length - 8), headers), window: { start, end } }
    },
  }))
}

/** Layout: `key │ session end i64 BE │ session start i64 BE`. */
export function sessionWindowedSerde(inner: AnySerde): Serde<Windowed<unknown>> {
  return composed([inner], (key) => ({
    serialize(topic, windowed, headers) {
      refuseUnwindowed(topic, windowed)
      return withLongs(key.serialize(topic, windowed.key, headers), [windowed.window.end, windowed.window.start])
    },
    deserialize(topic, data, headers) {
      refuseShort(topic, data, 16)
      return {
        key: key.deserialize(topic, data.subarray(0, data.length - 16), headers),
        window: { end: readLong(data, data.length - 16), start: readLong(data, data.length - 8) },
      }
    },
  }))
}

function refuseUnwindowed(topic: string, windowed: unknown): void {
  const { window } = (windowed ?? {}) as Partial<Windowed<unknown>>
  if (typeof window?.start !== 'number' || typeof window.end !== 'number')
    throw wrongType(topic, windowed, 'a key with its window, { key, window: { start, end } }')
}

function refuseShort(topic: string, data: Uint8Array, least: number): void {
  refuseOtherThanBytes(topic, data)
  if (data.length >= least) return
  throw new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `A windowed key of ${topic} has ${data.length} bytes, and its window alone takes ${least}`,
    next: 'Read the topic with the serde that it was written with.',
  })
}

function withLongs(bytes: Uint8Array, longs: readonly number[]): Uint8Array {
  const data = Buffer.allocUnsafe(bytes.length + 8 * longs.length)
  data.set(bytes)
  longs.forEach((value, at) => {
    writeLong(data, value, bytes.length + 8 * at)
  })
  return data
}
