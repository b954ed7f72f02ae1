import type { Materialized } from './materialized.ts'

/** Types that the signatures of several classes of the DSL use. */

export type Some<T> = NonNullable<T>
export type Predicate<K, V> = (key: K, value: V) => boolean
export type Joiner<K, L, R, W> = (left: L, right: R, key: K) => W
/** The store of a table. A window or session store does not fit a table. */
export type Kept<K, V> = Materialized<K, V, 'keyValue' | 'versioned'>
