/** A question to a store. The caller gives the types of keys and values; they are not checked against the store. */
export abstract class Query<out R> {
  declare private readonly types: R
  readonly request: QueryRequest

  protected constructor(request: QueryRequest) {
    this.request = request
  }
}

export type QueryRequest =
  | { readonly kind: 'key'; readonly key: unknown }
  | { readonly kind: 'range'; readonly from: unknown; readonly to: unknown }
  | { readonly kind: 'windows-of-key'; readonly key: unknown; readonly from: number; readonly to: number }
  | { readonly kind: 'windows'; readonly from: number; readonly to: number }

type KeyValue<K, V> = readonly [key: K, value: V]
type Windowed<K> = { readonly key: K; readonly window: { readonly start: number; readonly end: number } }

/** KIP-796. */
export abstract class KeyQuery extends Query<unknown> {
  /** Asks for the value of a key; null where the key has none. */
  static withKey<K, V>(key: K): Query<V | null> {
    return asked({ kind: 'key', key })
  }
}

/** KIP-805. */
export abstract class RangeQuery extends Query<unknown> {
  /** Asks for the keys between `from` and `to`, both included, in the order of their bytes; null is an open end. */
  static withRange<K, V>(from: K | null, to: K | null): Query<AsyncIterable<KeyValue<K, V>>> {
    return asked({ kind: 'range', from, to })
  }
}

/** KIP-806. */
export abstract class WindowKeyQuery extends Query<unknown> {
  /** Asks for a key's windows that start between `from` and `to`, both included. The answer has start and value, oldest first. */
  static withKeyAndWindowStartRange<K, V>(key: K, from: number, to: number): Query<readonly KeyValue<number, V>[]> {
    return asked({ kind: 'windows-of-key', key, from, to })
  }
}

/** KIP-806. */
export abstract class WindowRangeQuery extends Query<unknown> {
  /** Asks for all keys' windows that start between `from` and `to`, both included. */
  static withWindowStartRange<K, V>(from: number, to: number): Query<AsyncIterable<KeyValue<Windowed<K>, V>>> {
    return asked({ kind: 'windows', from, to })
  }
}

function asked<R>(request: QueryRequest): Query<R> {
  return new (class extends Query<R> {
    constructor() {
      super(request)
    }
  })()
}
