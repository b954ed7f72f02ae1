import type { Header } from './record.ts'

export interface Serializer<in T> {
  serialize(topic: string, value: T, headers?: readonly Header[]): Uint8Array
}

export interface Deserializer<out T> {
  deserialize(topic: string, data: Uint8Array, headers?: readonly Header[]): T
}

/** Turns values into bytes and back. Absence is `null` and never reaches a serde. */
export interface Serde<in out T> extends Serializer<T>, Deserializer<T> {
  /** Awaited before `deserialize` where something must be fetched first (a schema by its id); null where nothing must. */
  prepare?(topic: string, data: Uint8Array, headers?: readonly Header[]): Promise<void> | null
  /**
   * Beyond Kafka Streams, whose serializers may block: awaited before the first `serialize` for a topic, where something must be known
   * first (the id of the schema that it writes). An application opens its serdes for every topic and store that it writes, when it starts.
   */
  open?(use: SerdeUse): Promise<void>
}

/** Where a serde is going to write. */
export interface SerdeUse {
  /** Null where the topic is only known record by record. */
  readonly topic: string | null
  readonly part: 'key' | 'value'
}

/** A serde whose values never change once they are sent: readers in the same process take them as they are, beside their bytes. */
export interface HandingSerde<in out T> extends Serde<T> {
  readonly handsOn: true
}

export type AnySerde = Serializer<never> & Deserializer<unknown>
