import { intBytes, readLong, writeLong } from '../number-bytes.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { composed } from './unset-serde.ts'

/** The key of a record that waits for a match in a join of streams. */
export interface WaitingKey {
  readonly key: unknown
  readonly isLeft: boolean
  readonly timestamp: number
}

export interface WaitingValue {
  readonly isLeft: boolean
  readonly value: unknown
}

/** Layout: `timestamp i64 BE │ 1 for left, 0 for right │ key`. Keys are in the order in which windows close (KIP-633). */
export function outerKeySerde(inner: AnySerde): Serde<WaitingKey> {
  return composed([inner], (key) => ({
    serialize(topic, waiting) {
      const bytes = key.serialize(topic, waiting.key)
      const data = Buffer.allocUnsafe(9 + bytes.length)
      writeLong(data, waiting.timestamp, 0)
      data[8] = waiting.isLeft ? 1 : 0
      data.set(bytes, 9)
      return data
    },
    deserialize(topic, data) {
      return {
        timestamp: readLong(data, 0),
        isLeft: data[8] === 1,
        key: key.deserialize(topic, data.subarray(9)),
      }
    },
  }))
}

/**
 * All records of one key and one timestamp that wait for a match, as Kafka Streams' list store has them:
 *
 *     1 │ count i32 │ (length i32 │ 1 where left, 0 where right │ value)*
 */
export function outerValuesSerde(left: AnySerde, right: AnySerde): Serde<readonly WaitingValue[]> {
  return composed([left, right], (leftSerde, rightSerde) => {
    const of = (isLeft: boolean) => (isLeft ? leftSerde : rightSerde) as Serde<unknown>
    return {
      serialize(topic, values) {
        const parts: Uint8Array[] = [Buffer.of(1), intBytes(values.length)]
        for (const { isLeft, value } of values) {
          const bytes = of(isLeft).serialize(topic, value)
          parts.push(intBytes(bytes.length + 1), Buffer.of(isLeft ? 1 : 0), bytes)
        }
        return Buffer.concat(parts)
      },
      deserialize(topic, data) {
        const view = new DataView(data.buffer, data.byteOffset, data.length)
        const values: WaitingValue[] = []
        for (let at = 5; at < data.length; ) {
          const end = at + 4 + view.getInt32(at)
          const isLeft = data[at + 4] === 1
          values.push({ isLeft, value: of(isLeft).deserialize(topic, data.subarray(at + 5, end)) })
          at = end
        }
        return values
      },
    }
  })
}
