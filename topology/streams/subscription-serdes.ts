import type { Instruction, Subscription, SubscriptionResponse } from '../operators/foreign-key.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'
import { composed } from './unset-serde.ts'

const instructions: readonly Instruction[] = ['unsubscribe', 'unsubscribe-and-answer', 'answer-always', 'answer-if-found']
const version = 1
const hashBytes = 16

/**
 * Layout: `1 bit: no hash, 7 bits: version │ instruction i8 │ hash of the left value, 16 bytes │ primary key │ primary partition i32`, as Kafka
 * Streams writes it (KIP-213, KIP-775).
 */
export function subscriptionSerde(primaryKey: AnySerde): Serde<Subscription> {
  return composed([primaryKey], (inner) => ({
    serialize(topic, subscription) {
      const { hash, instruction } = subscription
      const key = inner.serialize(`${topic}-pk`, subscription.primaryKey)
      const at = 2 + (hash?.length ?? 0)
      const data = Buffer.allocUnsafe(at + key.length + 4)
      data[0] = hash === null ? version | 0x80 : version
      data[1] = instructions.indexOf(instruction)
      if (hash !== null) data.set(hash, 2)
      data.set(key, at)
      data.writeInt32BE(subscription.primaryPartition, at + key.length)
      return data
    },
    deserialize(topic, data) {
      const first = data[0] ?? 0
      const instruction = instructions[data[1] ?? -1]
      if ((first & 0x7f) > version || instruction === undefined) throw unreadable('subscription', first & 0x7f)
      const at = first & 0x80 ? 2 : 2 + hashBytes
      // Version 0 has no partition at the end.
      const end = (first & 0x7f) === 0 ? data.length : data.length - 4
      return {
        hash: at === 2 ? null : data.subarray(2, at),
        instruction,
        primaryKey: inner.deserialize(`${topic}-pk`, data.subarray(at, end)),
        primaryPartition: end === data.length ? -1 : new DataView(data.buffer, data.byteOffset, data.length).getInt32(end),
      }
    },
  }))
}

/** Layout: `1 bit: no hash, 7 bits: version (0) │ hash of the left value, 16 bytes │ foreign value, or nothing`. */
export function subscriptionResponseSerde(foreignValue: AnySerde): Serde<SubscriptionResponse> {
  return composed([foreignValue], (inner) => ({
    serialize(topic, { hash, foreignValue: value }) {
      const head = hash === null ? noHash : Buffer.concat([withHash, hash])
      return value === null ? head : Buffer.concat([head, inner.serialize(topic, value)])
    },
    deserialize(topic, data) {
      const first = data[0] ?? 0
      if ((first & 0x7f) !== 0) throw unreadable('answer to a subscription', first & 0x7f)
      const at = first & 0x80 ? 1 : 1 + hashBytes
      const value = data.length > at ? inner.deserialize(topic, data.subarray(at)) : null
      // The bytes do not contain the partition: the sink's partitioner has used it already.
      return { hash: at === 1 ? null : data.subarray(1, at), foreignValue: value, primaryPartition: -1 }
    },
  }))
}

const noHash = Buffer.of(0x80)
const withHash = Buffer.of(0)

function unreadable(what: string, found: number): WaggleError {
  return new WaggleError('WAGGLE_DESERIALIZATION_FAILED', {
    message: `A ${what} of a foreign-key join has the version ${found}, which this Waggle does not know`,
    next: 'Run all processes of the application with the newest version, or reset its internal topics.',
  })
}
