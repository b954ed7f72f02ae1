import { intBytes } from '../number-bytes.ts'
import type { Change } from '../operators/streams-operators.ts'
import { type Header, noHeaders, type RecordMetadata } from '../record.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { composed } from './unset-serde.ts'

/** A held update of a key. Later updates of the key replace its new value. */
export interface Suppressed {
  /** The time that decides when the update is emitted, in epoch ms: the window's end, or the record's time. */
  readonly time: number
  readonly timestamp: number
  /** Topic, partition and offset of the record that caused the update. */
  readonly metadata: RecordMetadata
  readonly change: Change<unknown>
  /** The key's value before the first held update, which is the last forwarded value. */
  readonly prior: unknown
  readonly headers: readonly Header[]
}

/**
 * Kafka Streams' form of a buffered update (version 3):
 *
 *     timestamp i64 │ offset i64 │ topic │ partition i32 │ headers i32: key, value each │ prior │ old │ new │ time i64
 *
 * Text and bytes follow their length, i32. The length -1 stands for null. As the length of the old value, -2 stands for the prior value.
 */
export function suppressedSerde(value: AnySerde): Serde<Suppressed> {
  return composed([value], (inner) => ({
    serialize(topic, { time, timestamp, metadata, change, prior, headers }) {
      const bytesOf = (one: unknown) => (one === null ? null : inner.serialize(topic, one))
      const [priorBytes, oldBytes] = [bytesOf(prior), bytesOf(change.oldValue)]
      return Buffer.concat([
        long(timestamp),
        long(metadata.offset),
        ...withLength(Buffer.from(metadata.topic)),
        intBytes(metadata.partition),
        intBytes(headers.length),
        ...headers.flatMap((header) => [...withLength(Buffer.from(header.key)), ...withLength(header.value)]),
        ...withLength(priorBytes),
        ...(oldBytes !== null && same(priorBytes, oldBytes) ? [intBytes(again)] : withLength(oldBytes)),
        ...withLength(bytesOf(change.newValue)),
        // Java writes the end of an unlimited window as its largest long.
        long(time === Number.MAX_SAFE_INTEGER ? longest : time),
      ])
    },
    deserialize(topic, data) {
      const read = new Reading(data)
      const timestamp = Number(read.long())
      const offset = read.long()
      const metadata = { offset, topic: Buffer.from(read.bytes() ?? none).toString(), partition: read.int() }
      const headers: Header[] = []
      for (let left = read.int(); left > 0; left--) headers.push({ key: Buffer.from(read.bytes() ?? none).toString(), value: read.bytes() })
      const decoded = (bytes: Uint8Array | null) => (bytes === null ? null : inner.deserialize(topic, bytes))
      const priorBytes = read.bytes()
      const oldBytes = read.bytes(priorBytes)
      const change = { oldValue: decoded(oldBytes), newValue: decoded(read.bytes()) }
      return {
        time: Math.min(Number(read.long()), Number.MAX_SAFE_INTEGER),
        timestamp,
        metadata,
        change,
        prior: decoded(priorBytes),
        headers: headers.length === 0 ? noHeaders : headers,
      }
    },
  }))
}

/** The version of this layout, as a header of each changelog record. */
export const suppressedHeaders: readonly Header[] = [{ key: 'v', value: Buffer.of(3) }]

/** The size of a buffered update in bytes, as Kafka Streams counts it. So a limit in bytes means the same in Waggle and in Kafka Streams. */
export function suppressedBytes(
  value: Serde<unknown>,
  topic: string,
  keyBytes: Uint8Array,
  { metadata, change, prior, headers }: Suppressed,
): number {
  const bytesOf = (one: unknown) => (one === null ? null : value.serialize(topic, one))
  const [priorBytes, oldBytes] = [bytesOf(prior), bytesOf(change.oldValue)]
  let bytes = fixedBytes + keyBytes.length + metadata.topic.length
  for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0)
  if (priorBytes !== null) bytes += priorBytes.length
  if (oldBytes !== null && !same(priorBytes, oldBytes)) bytes += oldBytes.length
  return bytes + (bytesOf(change.newValue)?.length ?? 0)
}

/** The bytes of time, timestamp, offset and partition. */
const fixedBytes = 28
const again = -2
const longest = 2n ** 63n - 1n
const none = new Uint8Array(0)

function same(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && Buffer.compare(a, b) === 0
}

function long(value: number | bigint): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function withLength(part: Uint8Array | null): readonly Uint8Array[] {
  return part === null ? [intBytes(-1)] : [intBytes(part.length), part]
}

class Reading {
  readonly #data: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(data: Uint8Array) {
    this.#data = data
    this.#view = new DataView(data.buffer, data.byteOffset, data.length)
  }

  long(): bigint {
    this.#at += 8
    return this.#view.getBigInt64(this.#at - 8)
  }

  int(): number {
    this.#at += 4
    return this.#view.getInt32(this.#at - 4)
  }

  bytes(before: Uint8Array | null = null): Uint8Array | null {
    const length = this.int()
    if (length === again) return before
    if (length < 0) return null
    this.#at += length
    return this.#data.subarray(this.#at - length, this.#at)
  }
}
