import type { QueryRequest } from '../../topology/queries.ts'
import type { Windowed } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore } from '../../topology/state-store.ts'

/** A question to the process that has the store. Keys are the store's own bytes, in base64. */
export type WireRequest =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'range'; readonly from: string | null; readonly to: string | null }
  | { readonly kind: 'windows-of-key'; readonly key: string; readonly from: number; readonly to: number }
  | { readonly kind: 'windows'; readonly from: number; readonly to: number }

/** A line of an answer: `[value]`, `[start, value]`, `[key, value]`, or `[key, start, end, value]`. */
export type WireRow = readonly (string | number | null)[]

/** Encodes questions and answers about one store for other processes. */
export class QueryWire {
  readonly #key: Serde<unknown>
  readonly #value: Serde<unknown>
  readonly #isTimestamped: boolean
  readonly #topic: string

  /** `topic` is the store's changelog, which its serdes are given. */
  constructor(store: KeptStore, topic: string) {
    this.#key = store.key as unknown as Serde<unknown>
    this.#value = store.value as unknown as Serde<unknown>
    this.#isTimestamped = store.timestamped === true
    this.#topic = topic
  }

  writeRequest(request: QueryRequest): WireRequest {
    switch (request.kind) {
      case 'key':
        return { kind: 'key', key: this.#writeKey(request.key) }
      case 'range':
        return { kind: 'range', from: this.#bound(request.from), to: this.#bound(request.to) }
      case 'windows-of-key':
        return { ...request, key: this.#writeKey(request.key) }
      case 'windows':
        return request
    }
  }

  readRequest(request: WireRequest): QueryRequest {
    switch (request.kind) {
      case 'key':
        return { kind: 'key', key: this.#readKey(request.key) }
      case 'range': {
        const bound = (text: string | null) => (text === null ? null : this.#readKey(text))
        return { kind: 'range', from: bound(request.from), to: bound(request.to) }
      }
      case 'windows-of-key':
        return { ...request, key: this.#readKey(request.key) }
      case 'windows':
        return request
    }
  }

  async *writeAnswer(kind: QueryRequest['kind'], answer: unknown): AsyncIterable<WireRow> {
    if (kind === 'key') yield [this.#writeValue(answer)]
    else if (kind === 'windows-of-key') {
      for (const [start, value] of answer as readonly (readonly [number, unknown])[]) yield [start, this.#writeValue(value)]
    } else if (kind === 'range') {
      for await (const [key, value] of answer as AsyncIterable<readonly [unknown, unknown]>) yield [this.#writeKey(key), this.#writeValue(value)]
    } else {
      for await (const [{ key, window }, value] of answer as AsyncIterable<readonly [Windowed<unknown>, unknown]>)
        yield [this.#writeKey(key), window.start, window.end, this.#writeValue(value)]
    }
  }

  async readAnswer(kind: QueryRequest['kind'], rows: AsyncIterable<WireRow>): Promise<unknown> {
    if (kind === 'range') return this.#pairs(rows)
    if (kind === 'windows') return this.#windows(rows)
    const all: WireRow[] = []
    for await (const row of rows) all.push(row)
    if (kind === 'key') return this.#readValue(all[0]?.[0] ?? null)
    return all.map(([start, value]) => [Number(start), this.#readValue(value ?? null)])
  }

  async *#pairs(rows: AsyncIterable<WireRow>): AsyncIterable<readonly [unknown, unknown]> {
    for await (const [key, value] of rows) yield [this.#readKey(String(key)), this.#readValue(value ?? null)]
  }

  async *#windows(rows: AsyncIterable<WireRow>): AsyncIterable<readonly [Windowed<unknown>, unknown]> {
    for await (const [key, start, end, value] of rows) {
      const window = { start: Number(start), end: Number(end) }
      yield [{ key: this.#readKey(String(key)), window }, this.#readValue(value ?? null)]
    }
  }

  #bound(key: unknown): string | null {
    return key === null ? null : this.#writeKey(key)
  }

  #writeKey(key: unknown): string {
    return base64(this.#key.serialize(this.#topic, key))
  }

  #readKey(text: string): unknown {
    return this.#key.deserialize(this.#topic, Buffer.from(text, 'base64'))
  }

  #writeValue(value: unknown): string | null {
    return value === null ? null : base64(this.#value.serialize(this.#topic, this.#isTimestamped ? { value, timestamp: 0 } : value))
  }

  #readValue(text: string | number | null): unknown {
    if (text === null) return null
    const value = this.#value.deserialize(this.#topic, Buffer.from(String(text), 'base64'))
    return this.#isTimestamped ? (value as { readonly value: unknown }).value : value
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
