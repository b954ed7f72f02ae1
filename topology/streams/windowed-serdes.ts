import type { Windowed } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { composed } from './unset-serde.ts'

/** Layout: `key │ window start i64 BE`, as Kafka Streams writes a time window's key. The window's size is not written. */
export function timeWindowedSerde(inner: AnySerde, windowSizeMs: number): Serde<Windowed<unknown>> {
  return composed([inner], (key) => ({
    serialize: (topic, windowed, headers) => withLongs(key.serialize(topic, windowed.key, headers), [windowed.window.start]),
    deserialize(topic, data, headers) {
      const start = longAt(data, data.length - 8)
      const end = Math.min(start + windowSizeMs, Number.MAX_SAFE_INTEGER)
      return { key: key.deserialize(topic, data.subarray(0, data.length - 8), headers), window: { start, end } }
    },
  }))
}

/** Layout: `key │ session end i64 BE │ session start i64 BE`. */
export function sessionWindowedSerde(inner: AnySerde): Serde<Windowed<unknown>> {
  return composed([inner], (key) => ({
    serialize: (topic, { key: given, window }, headers) => withLongs(key.serialize(topic, given, headers), [window.end, window.start]),
    deserialize: (topic, data, headers) => ({
      key: key.deserialize(topic, data.subarray(0, data.length - 16), headers),
      window: { end: longAt(data, data.length - 16), start: longAt(data, data.length - 8) },
    }),
  }))
}

function withLongs(bytes: Uint8Array, longs: readonly number[]): Uint8Array {
  const data = Buffer.allocUnsafe(bytes.length + 8 * longs.length)
  data.set(bytes)
  longs.forEach((value, at) => {
    data.writeInt32BE(Math.floor(value / 2 ** 32), bytes.length + 8 * at)
    data.writeUInt32BE(value >>> 0, bytes.length + 8 * at + 4)
  })
  return data
}

function longAt(data: Uint8Array, at: number): number {
  const view = new DataView(data.buffer, data.byteOffset + at, 8)
  return view.getInt32(0) * 2 ** 32 + view.getUint32(4)
}
