import { defined } from './defined.ts'

/** Returns the new aggregate. A null result deletes the key. */
export type Aggregator<K, V, A> = (key: K, value: V, aggregate: A) => A | null
export type Reducer<V> = (aggregate: V, value: V) => V | null
export type Merger<K, A> = (key: K, left: A, right: A) => A | null

/** The computation of an aggregation. The first aggregate of a reduction is its first value. */
export interface Aggregation {
  readonly initialize: () => unknown
  readonly add: (key: unknown, value: unknown, aggregate: unknown) => unknown
}

export const counting: Aggregation = { initialize: () => 0, add: (_key, _value, count) => (count as number) + 1 }

export function reducing<V>(reducer: Reducer<V>): Aggregation {
  return {
    initialize: () => null,
    add: (_, value, aggregate) => (aggregate === null ? value : defined(reducer(aggregate as V, value as V), 'reduce')),
  }
}

export function aggregating<K, V, A>(initialize: () => A, aggregator: Aggregator<K, V, A>): Aggregation {
  return {
    initialize: () => defined(initialize(), 'aggregate'),
    add: (key, value, aggregate) => defined(aggregator(key as K, value as V, aggregate as A), 'aggregate'),
  }
}
