import type { Header } from './record.ts'

export interface Serializer<in T> {
  serialize(topic: string, value: T, headers?: readonly Header[]): Uint8Array
}

export interface Deserializer<out T> {
  deserialize(topic: string, data: Uint8Array, headers?: readonly Header[]): T
}

/** Turns values into bytes and back. A missing value is `null`, and never reaches a serde. */
export interface Serde<in out T> extends Serializer<T>, Deserializer<T> {
  /**
   * Fetches the resource that `deserialize` needs for these bytes, such as a schema by its id. The caller awaits the promise first. Null if nothing
   * has to be fetched.
   */
  prepare?(topic: string, data: Uint8Array, headers?: readonly Header[]): Promise<void> | null
  /**
   * Fetches the resource that `serialize` needs for a topic, such as the id of the schema that the serde writes. When an application starts, it opens
   * its serdes for every topic and store that it writes. Kafka Streams has no such step, because its serialisers may block.
   */
  open?(use: SerdeUse): Promise<void>
}

/** The use for which a serde is opened: keys or values, of one topic or (`topic` null) of whichever topic each record names. */
export interface SerdeUse {
  /** The topic's name; null if each record chooses its topic. */
  readonly topic: string | null
  readonly part: 'key' | 'value'
}

/** A serde whose values never change after they are sent. Readers in the same process may therefore get the values themselves. */
export interface HandingSerde<in out T> extends Serde<T> {
  readonly handsOn: true
}

export type AnySerde = Serializer<never> & Deserializer<unknown>

/** Serdes among other options. A serde that is left out comes from the preceding operator, or else from the application's defaults. */
export interface SerdeOptions<K, V> {
  keySerde?: Serde<K>
  valueSerde?: Serde<V>
}
