import type { Change } from '../operators/streams-operators.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { zigzagVarint } from '../zigzag-varint.ts'
import { composed } from './unset-serde.ts'

/**
 * A table's update between two sub-topologies, as Kafka Streams writes it (KIP-904):
 *
 *     old value │ 0        new value │ 1        length of new value varint │ new value │ old value │ 2
 */
export function changeSerde(value: AnySerde): Serde<Change<unknown>> {
  return composed([value], (inner) => ({
    serialize(topic, { newValue, oldValue }, headers) {
      const newData = newValue === null ? null : inner.serialize(topic, newValue, headers)
      const oldData = oldValue === null ? null : inner.serialize(topic, oldValue, headers)
      if (newData !== null && oldData !== null) return Buffer.concat([Buffer.from(zigzagVarint(newData.length)), newData, oldData, both])
      if (newData !== null) return Buffer.concat([newData, onlyNew])
      if (oldData !== null) return Buffer.concat([oldData, onlyOld])
      throw new WaggleError('WAGGLE_INTERNAL', { message: `An update of ${topic} has neither an old nor a new value`, next: 'Report this as a bug.' })
    },
    deserialize(topic, data, headers) {
      const flag = data[data.length - 1]
      const body = data.subarray(0, data.length - 1)
      if (flag === 0) return { newValue: null, oldValue: inner.deserialize(topic, body, headers) }
      if (flag === 1) return { newValue: inner.deserialize(topic, body, headers), oldValue: null }
      if (flag === 2) {
        const { length, at } = readVarint(body)
        return {
          newValue: inner.deserialize(topic, body.subarray(at, at + length), headers),
          oldValue: inner.deserialize(topic, body.subarray(at + length), headers),
        }
      }
      throw new WaggleError('WAGGLE_INVALID_VALUE', {
        message: `An update of ${topic} ends in the flag ${flag}, which no update has`,
        next: 'Only the application may write to this topic: reset the topic if another program wrote to it.',
      })
    },
  }))
}

const onlyOld = Buffer.of(0)
const onlyNew = Buffer.of(1)
const both = Buffer.of(2)

function readVarint(data: Uint8Array): { readonly length: number; readonly at: number } {
  let value = 0
  for (let at = 0, factor = 1; ; at++, factor *= 128) {
    const byte = data[at] ?? 0
    value += (byte % 128) * factor
    if (byte < 128) return { length: value / 2, at: at + 1 }
  }
}
