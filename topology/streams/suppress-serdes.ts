import type { Change } from '../operators/streams.ts'
import { type Header, noHeaders } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'
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

/** `time f64 │ timestamp f64 │ four parts`: headers as JSON, new, old and prior value, each `length i32, -1 for none │ bytes`. */
export function suppressedSerde(value: AnySerde): Serde<Suppressed> {
  return composed([value], (inner) => ({
    serialize(topic, { time, timestamp, change, prior, headers }) {
      const fixed = Buffer.allocUnsafe(16)
      fixed.writeDoubleBE(time, 0)
      fixed.writeDoubleBE(timestamp, 8)
      const bytesOf = (one: unknown) => (one === null ? null : inner.serialize(topic, one))
      const head = headers.length === 0 ? null : Buffer.from(JSON.stringify(headers.map(textHeaders)))
      const parts = [head, bytesOf(change.newValue), bytesOf(change.oldValue), bytesOf(prior)]
      return Buffer.concat([fixed, ...parts.flatMap(withLength)])
    },
    deserialize(topic, data) {
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      let at = 16
      const next = () => {
        const length = view.getInt32(at)
        at += 4 + Math.max(0, length)
        return length < 0 ? null : data.subarray(at - length, at)
      }
      const head = next()
      const value = () => {
        const bytes = next()
        return bytes === null ? null : inner.deserialize(topic, bytes)
      }
      return {
        time: view.getFloat64(0),
        timestamp: view.getFloat64(8),
        headers: head === null ? noHeaders : (JSON.parse(Buffer.from(head).toString()) as readonly TextHeader[]).map(headerOf),
        change: { newValue: value(), oldValue: value() },
        prior: value(),
      }
    },
  }))
}

type TextHeader = readonly [key: string, base64: string | null]

function textHeaders({ key, value }: Header): TextHeader {
  return [key, value === null ? null : Buffer.from(value).toString('base64')]
}

function headerOf([key, base64]: TextHeader): Header {
  return { key, value: base64 === null ? null : Buffer.from(base64, 'base64') }
}

function withLength(part: Uint8Array | null): readonly Uint8Array[] {
  const length = Buffer.allocUnsafe(4)
  length.writeInt32BE(part === null ? -1 : part.length)
  return part === null ? [length] : [length, part]
}
