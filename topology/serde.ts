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
  prepare?(topic: string, data: Uint8Array): Promise<void> | null
}

/** A serde whose values never change and can always be serialised: they may be handed on as they are, their bytes made later. */
export interface HandingSerde<in out T> extends Serde<T> {
  readonly handsOn: true
}

export type AnySerde = Serializer<never> & Deserializer<unknown>
