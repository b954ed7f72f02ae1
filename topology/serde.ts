import type { Header } from './record.ts'

export interface Serializer<in T> {
  serialize(topic: string, value: T, headers?: readonly Header[]): Uint8Array
}

export interface Deserializer<out T> {
  deserialize(topic: string, data: Uint8Array, headers?: readonly Header[]): T
}

/** Turns values into bytes and back. Absence is `null` and never reaches a serde. */
export interface Serde<in out T> extends Serializer<T>, Deserializer<T> {
  /** Fetches what `deserialize` needs for these bytes (a schema by its id). The caller awaits it first. Null where nothing has to be fetched. */
  prepare?(topic: string, data: Uint8Array, headers?: readonly Header[]): Promise<void> | null
  /**
   * Fetches what `serialize` needs for a topic (the id of the schema that it writes). An application opens its serdes for every topic and store that
   * it writes, when it starts. Kafka Streams has no such step, since its serialisers may block.
   */
  open?(use: SerdeUse): Promise<void>
}

/** A topic that a serde is going to write. */
export interface SerdeUse {
  /** The topic's name; null where each record chooses its topic. */
  readonly topic: string | null
  readonly part: 'key' | 'value'
}

/** A serde whose values never change after they are sent, so that readers in the same process may take the values themselves. */
export interface HandingSerde<in out T> extends Serde<T> {
  readonly handsOn: true
}

export type AnySerde = Serializer<never> & Deserializer<unknown>

/** Serdes beside other options. One that is left out comes from the operator before, then from the application's defaults. */
export interface SerdeOptions<K, V> {
  keySerde?: Serde<K>
  valueSerde?: Serde<V>
}
