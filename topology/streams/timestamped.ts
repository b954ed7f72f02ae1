import { readLong, writeLong } from '../number-bytes.ts'
import type { AnySerde, Serde } from '../serde.ts'
import type { ValueAndTimestamp } from '../state-store.ts'
import { composed } from './unset-serde.ts'

/** Layout: `timestamp i64 BE │ value`, as Kafka Streams stores a table's rows (KIP-258). */
export function timestamped(value: AnySerde): Serde<ValueAndTimestamp<unknown>> {
  return composed([value], (inner) => ({
    serialize(topic, row) {
      const bytes = inner.serialize(topic, row.value)
      const data = Buffer.allocUnsafe(8 + bytes.length)
      writeLong(data, row.timestamp, 0)
      data.set(bytes, 8)
      return data
    },
    deserialize(topic, data) {
      return { timestamp: readLong(data, 0), value: inner.deserialize(topic, data.subarray(8)) }
    },
  }))
}
