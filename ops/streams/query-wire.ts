import { changelogTopic } from '../../topology/naming.ts'
import type { QueryRequest } from '../../topology/queries.ts'
import type { KeyValue, Windowed } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore, ValueAndTimestamp } from '../../topology/state-store.ts'

type Bytes = Uint8Array | null

/** A question on its way: keys are bytes, since what a serde makes of them may be of a class, which does not survive being cloned. */
export type PackedRequest =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'range'; readonly from: Bytes; readonly to: Bytes }
  | { readonly kind: 'windows-of-key'; readonly key: Uint8Array; readonly from: number; readonly to: number }
  | { readonly kind: 'windows'; readonly from: number; readonly to: number }

export type PackedAnswer =
  | { readonly kind: 'value'; readonly value: Bytes }
  | { readonly kind: 'list'; readonly rows: readonly (readonly [start: number, value: Bytes])[] }
  /** Asked for by and by, under this number. */
  | { readonly kind: 'rows'; readonly number: number }

export interface PackedRow {
  readonly key: Uint8Array
  readonly window: { readonly start: number; readonly end: number } | null
  readonly value: Bytes
}

/** Questions to one store and their answers, as bytes and back, with the serdes of the store itself. */
export class QueryWire {
  readonly #key: Serde<unknown>
  readonly #value: Serde<unknown>
  readonly #isTimestamped: boolean
  readonly #topic: string

  constructor(applicationId: string, store: KeptStore) {
    this.#key = store.key as unknown as Serde<unknown>
    this.#value = store.value as unknown as Serde<unknown>
    this.#isTimestamped = store.timestamped ?? false
    this.#topic = changelogTopic(applicationId, store.name)
  }

  packRequest(request: QueryRequest): PackedRequest {
    if (request.kind === 'windows') return request
    if (request.kind === 'range') return { kind: 'range', from: this.#keyOrNull(request.from), to: this.#keyOrNull(request.to) }
    return { ...request, key: this.#packKey(request.key) }
  }

  async unpackRequest(request: PackedRequest): Promise<QueryRequest> {
    if (request.kind === 'windows') return request
    const key = (bytes: Bytes) => (bytes === null ? null : this.#unpack(this.#key, bytes))
    if (request.kind === 'range') return { kind: 'range', from: await key(request.from), to: await key(request.to) }
    return { ...request, key: await key(request.key) }
  }

  /** `keep` remembers what is answered row by row, and numbers it. */
  packAnswer(kind: QueryRequest['kind'], answer: unknown, keep: (rows: AsyncIterator<PackedRow>) => number): PackedAnswer {
    if (kind === 'key') return { kind: 'value', value: this.#packValue(answer) }
    if (kind === 'windows-of-key') {
      const rows = answer as readonly (readonly [number, unknown])[]
      return { kind: 'list', rows: rows.map(([start, value]) => [start, this.#packValue(value)] as const) }
    }
    return { kind: 'rows', number: keep(this.#packRows(kind, answer as AsyncIterable<readonly [unknown, unknown]>)) }
  }

  /** `rowsOf` asks for the rows of a numbered answer. */
  async unpackAnswer(answer: PackedAnswer, rowsOf: (number: number) => AsyncIterable<PackedRow>): Promise<unknown> {
    if (answer.kind === 'value') return this.#unpackValue(answer.value)
    if (answer.kind === 'rows') return this.#unpackRows(rowsOf(answer.number))
    return Promise.all(answer.rows.map(async ([start, value]) => [start, await this.#unpackValue(value)] as const))
  }

  async *#packRows(kind: 'range' | 'windows', rows: AsyncIterable<readonly [unknown, unknown]>): AsyncIterator<PackedRow> {
    for await (const [key, value] of rows) {
      const windowed = kind === 'windows' ? (key as Windowed<unknown>) : { key, window: null }
      yield { key: this.#packKey(windowed.key), window: windowed.window, value: this.#packValue(value) }
    }
  }

  async *#unpackRows(rows: AsyncIterable<PackedRow>): AsyncIterable<KeyValue<unknown, unknown>> {
    for await (const { key: bytes, window, value } of rows) {
      const key = await this.#unpack(this.#key, bytes)
      yield [window === null ? key : { key, window }, await this.#unpackValue(value)]
    }
  }

  #keyOrNull(key: unknown): Bytes {
    return key === null ? null : this.#packKey(key)
  }

  #packKey(key: unknown): Uint8Array {
    return this.#key.serialize(this.#topic, key)
  }

  #packValue(value: unknown): Bytes {
    if (value === null) return null
    // An answer is without the time, which the store's serde wants.
    return this.#value.serialize(this.#topic, this.#isTimestamped ? { value, timestamp: 0 } : value)
  }

  async #unpackValue(bytes: Bytes): Promise<unknown> {
    if (bytes === null) return null
    const row = await this.#unpack(this.#value, bytes)
    return this.#isTimestamped ? (row as ValueAndTimestamp<unknown>).value : row
  }

  async #unpack(serde: Serde<unknown>, bytes: Uint8Array): Promise<unknown> {
    for (let preparing = serde.prepare?.(this.#topic, bytes) ?? null; preparing !== null; preparing = serde.prepare?.(this.#topic, bytes) ?? null)
      await preparing
    return serde.deserialize(this.#topic, bytes)
  }
}
