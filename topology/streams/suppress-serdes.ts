import type { Change } from '../operators/streams.ts'
import { type Header, noHeaders } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'

/** An update that waits: what the table had before the first of the updates that it stands for, and the newest. */
export interface Suppressed {
  /** By which it leaves. */
  readonly time: number
  readonly timestamp: number
  readonly change: Change<unknown>
  readonly headers: readonly Header[]
}

/** `time f64 │ timestamp f64 │ length of headers i32 │ headers as JSON │ length of new i32, -1 for none │ new │ old, if any`. */
export function suppressedSerde(value: AnySerde): Serde<Suppressed> {
  const inner = value as Serde<unknown>
  return {
    serialize(topic, { time, timestamp, change, headers }) {
      const head = Buffer.from(
        headers.length === 0
          ? ''
          : JSON.stringify(headers.map(({ key, value: bytes }) => [key, bytes === null ? null : Buffer.from(bytes).toString('base64')])),
      )
      const newData = change.newValue === null ? null : inner.serialize(topic, change.newValue)
      const oldData = change.oldValue === null ? null : inner.serialize(topic, change.oldValue)
      const fixed = Buffer.allocUnsafe(28)
      fixed.writeDoubleBE(time, 0)
      fixed.writeDoubleBE(timestamp, 8)
      fixed.writeInt32BE(head.length, 16)
      fixed.writeInt32BE(newData === null ? -1 : newData.length, 20)
      fixed.writeInt32BE(oldData === null ? -1 : oldData.length, 24)
      return Buffer.concat([fixed, head, newData ?? none, oldData ?? none])
    },
    deserialize(topic, data) {
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      const [headLength, newLength, oldLength] = [view.getInt32(16), view.getInt32(20), view.getInt32(24)]
      const headEnd = 28 + headLength
      const newEnd = headEnd + Math.max(0, newLength)
      const list = headLength === 0 ? null : (JSON.parse(Buffer.from(data.subarray(28, headEnd)).toString()) as readonly [string, string | null][])
      return {
        time: view.getFloat64(0),
        timestamp: view.getFloat64(8),
        headers: list === null ? noHeaders : list.map(([key, text]) => ({ key, value: text === null ? null : Buffer.from(text, 'base64') })),
        change: {
          newValue: newLength < 0 ? null : inner.deserialize(topic, data.subarray(headEnd, newEnd)),
          oldValue: oldLength < 0 ? null : inner.deserialize(topic, data.subarray(newEnd)),
        },
      }
    },
  }
}

const none = Buffer.alloc(0)
