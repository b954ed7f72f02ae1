import type { AnySerde, Serde } from '../serde.ts'
import type { ValueAndTimestamp } from '../state-store.ts'
import { composed } from './unset-serde.ts'

/** Layout: `timestamp i64 BE │ value`, as Kafka Streams stores a table's rows (KIP-258). */
export function timestamped(value: AnySerde): Serde<ValueAndTimestamp<unknown>> {
  return composed([value], (inner) => ({
    serialize(topic, row) {
      const bytes = inner.serialize(topic, row.value)
      const data = Buffer.allocUnsafe(8 + bytes.length)
      data.writeInt32BE(Math.floor(row.timestamp / 2 ** 32), 0)
      data.writeUInt32BE(row.timestamp >>> 0, 4)
      data.set(bytes, 8)
      return data
    },
    deserialize(topic, data) {
      const view = new DataView(data.buffer, data.byteOffset, 8)
      return { timestamp: view.getInt32(0) * 2 ** 32 + view.getUint32(4), value: inner.deserialize(topic, data.subarray(8)) }
    },
  }))
}
