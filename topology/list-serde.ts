import { compositeSerde } from './composite-serde.ts'
import { intBytes } from './number-bytes.ts'
import type { Serde } from './serde.ts'
import { WaggleError } from './waggle-error.ts'
import { refuseOtherThanBytes, wrongType } from './wrong-type.ts'

/**
 * Lists as Kafka's ListSerializer writes them:
 *
 *     values of one size: 0 │ count of nulls i32 │ their indexes i32* │ count i32 │ values
 *     values of any size: 1 │ count i32 │ (length i32, -1 for null │ value)*
 */
export function listSerde<T>(values: Serde<T>, size: number | null): Serde<readonly T[]> {
  return compositeSerde([values], (inner) => ({
    serialize(topic, list) {
      if (!Array.isArray(list)) throw wrongType(topic, list, 'a list')
      const values = list.map((value) => (value === null ? null : inner.serialize(topic, value)))
      if (size === null)
        return Buffer.concat([
          Buffer.of(1),
          intBytes(list.length),
          ...values.flatMap((value) => (value === null ? [intBytes(-1)] : [intBytes(value.length), value])),
        ])
      const nulls = values.flatMap((value, at) => (value === null ? [intBytes(at)] : []))
      return Buffer.concat([Buffer.of(0), intBytes(nulls.length), ...nulls, intBytes(list.length), ...values.filter((value) => value !== null)])
    },
    deserialize(topic, data) {
      refuseOtherThanBytes(topic, data)
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      let at = 1
      const next = () => {
        at += 4
        return view.getInt32(at - 4)
      }
      const take = (length: number) => {
        if (length < 0 || at + length > data.length) throw cutShort(topic)
        at += length
        return inner.deserialize(topic, data.subarray(at - length, at))
      }
      try {
        const nulls = data[0] === 0 ? new Set(Array.from({ length: next() }, next)) : null
        const count = next()
        return Array.from({ length: count }, (_, index) => {
          if (nulls !== null) return nulls.has(index) ? (null as T) : take(size ?? 0)
          const length = next()
          return length === -1 ? (null as T) : take(length)
        })
      } catch (thrown) {
        throw thrown instanceof RangeError ? cutShort(topic) : thrown
      }
    },
  }))
}

function cutShort(topic: string): WaggleError {
  return new WaggleError('WAGGLE_INVALID_VALUE', {
    message: `A list of ${topic} ends before its last value`,
    next: 'Read the topic with the serde that it was written with.',
  })
}
