import type { QueryRequest } from '../../topology/queries.ts'
import type { Windowed } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore, VersionedRecord } from '../../topology/state-store.ts'

/** A question to the process that has the store. Keys are the store's own bytes, in base64. */
export type WireRequest =
  | { readonly kind: 'key' | 'timestamped-key' | 'sessions-of-key'; readonly key: string }
  | { readonly kind: 'range' | 'timestamped-range'; readonly from: string | null; readonly to: string | null; readonly reverse: boolean }
  | { readonly kind: 'windows-of-key'; readonly key: string; readonly from: number; readonly to: number }
  | { readonly kind: 'windows'; readonly from: number; readonly to: number }
  | { readonly kind: 'version'; readonly key: string; readonly asOf: number | null }
  | { readonly kind: 'versions'; readonly key: string; readonly from: number; readonly to: number; readonly oldestFirst: boolean }

/** One row of an answer: `[value]`, `[start, value]`, `[key, value]`, `[key, start, end, value]`, or `[timestamp, validTo, value]` for a version. */
export type WireRow = readonly (string | number | null)[]

type Pairs<K> = AsyncIterable<readonly [K, unknown]>

/** True for an answer with one value or with the rows of one key. Such an answer is sent in one message. */
export function isShort(kind: QueryRequest['kind']): boolean {
  return kind === 'key' || kind === 'timestamped-key' || kind === 'windows-of-key' || kind === 'version' || kind === 'versions'
}

/** Encodes questions and answers about one store for other processes. */
export class QueryWire {
  readonly #key: Serde<unknown>
  readonly #value: Serde<unknown>
  readonly #isTimestamped: boolean
  readonly #topic: string

  /** `topic` is the name of the store's changelog. The serdes receive this name. */
  constructor(store: KeptStore, topic: string) {
    this.#key = store.key as unknown as Serde<unknown>
    this.#value = store.value as unknown as Serde<unknown>
    this.#isTimestamped = store.timestamped === true
    this.#topic = topic
  }

  writeRequest(request: QueryRequest): WireRequest {
    if ('key' in request) return { ...request, key: this.#writeKey(request.key) }
    if (request.kind === 'windows') return request
    return { ...request, from: this.#bound(request.from), to: this.#bound(request.to) }
  }

  readRequest(request: WireRequest): QueryRequest {
    if ('key' in request) return { ...request, key: this.#readKey(request.key) }
    if (request.kind === 'windows') return request
    const bound = (text: string | null) => (text === null ? null : this.#readKey(text))
    return { ...request, from: bound(request.from), to: bound(request.to) }
  }

  async *writeAnswer(kind: QueryRequest['kind'], answer: unknown): AsyncIterable<WireRow> {
    switch (kind) {
      case 'key':
        yield [this.#writeValue(answer)]
        return
      case 'timestamped-key':
        yield [this.#writeRow(answer)]
        return
      case 'version':
        if (answer !== null) yield this.#writeVersion(answer as VersionedRecord<unknown>)
        return
      case 'versions':
        for (const version of answer as readonly VersionedRecord<unknown>[]) yield this.#writeVersion(version)
        return
      case 'windows-of-key':
        for (const [start, value] of answer as readonly (readonly [number, unknown])[]) yield [start, this.#writeValue(value)]
        return
      case 'range':
        for await (const [key, value] of answer as Pairs<unknown>) yield [this.#writeKey(key), this.#writeValue(value)]
        return
      case 'timestamped-range':
        for await (const [key, row] of answer as Pairs<unknown>) yield [this.#writeKey(key), this.#writeRow(row)]
        return
      case 'windows':
      case 'sessions-of-key':
        for await (const [{ key, window }, value] of answer as Pairs<Windowed<unknown>>)
          yield [this.#writeKey(key), window.start, window.end, this.#writeValue(value)]
    }
  }

  async readAnswer(kind: QueryRequest['kind'], rows: AsyncIterable<WireRow>): Promise<unknown> {
    if (kind === 'range') return this.#pairs(rows, (text) => this.#readValue(text))
    if (kind === 'timestamped-range') return this.#pairs(rows, (text) => this.#readRow(text))
    if (kind === 'windows' || kind === 'sessions-of-key') return this.#windows(rows)
    const all: WireRow[] = []
    for await (const row of rows) all.push(row)
    if (kind === 'versions') return all.map((row) => this.#readVersion(row))
    if (kind === 'windows-of-key') return all.map(([start, value]) => [Number(start), this.#readValue(value ?? null)])
    const [first] = all
    if (kind === 'version') return first === undefined ? null : this.#readVersion(first)
    return kind === 'key' ? this.#readValue(first?.[0] ?? null) : this.#readRow(first?.[0] ?? null)
  }

  async *#pairs(rows: AsyncIterable<WireRow>, read: (text: string | number | null) => unknown): Pairs<unknown> {
    for await (const [key, value] of rows) yield [this.#readKey(String(key)), read(value ?? null)]
  }

  async *#windows(rows: AsyncIterable<WireRow>): Pairs<Windowed<unknown>> {
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

  #writeVersion({ timestamp, validTo, value }: VersionedRecord<unknown>): WireRow {
    return [timestamp, validTo, this.#writeRow(value)]
  }

  #readVersion([timestamp, validTo, value]: WireRow): VersionedRecord<unknown> {
    return { value: this.#readRow(value ?? null), timestamp: Number(timestamp), validTo: typeof validTo === 'number' ? validTo : null }
  }

  #writeValue(value: unknown): string | null {
    return this.#writeRow(this.#isTimestamped && value !== null ? { value, timestamp: 0 } : value)
  }

  #readValue(text: string | number | null): unknown {
    const row = this.#readRow(text)
    return this.#isTimestamped && row !== null ? (row as { readonly value: unknown }).value : row
  }

  /** Encodes a row as the store has it: a value, with its timestamp if the store keeps timestamps. */
  #writeRow(row: unknown): string | null {
    return row === null ? null : base64(this.#value.serialize(this.#topic, row))
  }

  #readRow(text: string | number | null): unknown {
    return text === null ? null : this.#value.deserialize(this.#topic, Buffer.from(String(text), 'base64'))
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
