import type { Change } from '../operators/streams.ts'
import type { Header } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { headerBytes, headersOf } from './header-bytes.ts'
import { composed } from './unset-serde.ts'

/** An update that waits: what the table had before the first of the updates that it stands for, and the newest. */
export interface Suppressed {
  /** By which it leaves. */
  readonly time: number
  readonly timestamp: number
  readonly change: Change<unknown>
  /** What the table had when nothing waited for this key: what has gone on. */
  readonly prior: unknown
  readonly headers: readonly Header[]
}

/** `time f64 │ timestamp f64 │ headers │ three parts`: new, old and prior value, each `length i32, -1 for none │ bytes`. */
export function suppressedSerde(value: AnySerde): Serde<Suppressed> {
  return composed([value], (inner) => ({
    serialize(topic, { time, timestamp, change, prior, headers }) {
      const fixed = Buffer.allocUnsafe(16)
      fixed.writeDoubleBE(time, 0)
      fixed.writeDoubleBE(timestamp, 8)
      const bytesOf = (one: unknown) => (one === null ? null : inner.serialize(topic, one))
      const parts = [bytesOf(change.newValue), bytesOf(change.oldValue), bytesOf(prior)]
      return Buffer.concat([fixed, headerBytes(headers), ...parts.flatMap(withLength)])
    },
    deserialize(topic, data) {
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      const { headers, length: headerLength } = headersOf(data.subarray(16))
      let at = 16 + headerLength
      const value = () => {
        const length = view.getInt32(at)
        at += 4 + Math.max(0, length)
        return length < 0 ? null : inner.deserialize(topic, data.subarray(at - length, at))
      }
      return {
        time: view.getFloat64(0),
        timestamp: view.getFloat64(8),
        headers,
        change: { newValue: value(), oldValue: value() },
        prior: value(),
      }
    },
  }))
}

function withLength(part: Uint8Array | null): readonly Uint8Array[] {
  const length = Buffer.allocUnsafe(4)
  length.writeInt32BE(part === null ? -1 : part.length)
  return part === null ? [length] : [length, part]
}
