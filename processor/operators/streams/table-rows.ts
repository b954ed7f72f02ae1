import type { Change } from '../../../topology/operators/streams-operators.ts'
import type { KeyValueStore, StateStore, ValueAndTimestamp } from '../../../topology/state-store.ts'
import { SegmentedVersionedStore } from '../../state/versioned-store.ts'

export type Row = ValueAndTimestamp<unknown>

/** A table's rows, in a store of any kind. */
export interface TableRows {
  get(key: unknown): Row | null
  /** Stores an update, and returns it in the form to forward; null if the update is too old. */
  put(key: unknown, value: unknown, timestamp: number, oldValue: unknown): Change<unknown> | null
}

export function openRows(store: StateStore): TableRows {
  if (store instanceof SegmentedVersionedStore) {
    return {
      get: (key) => store.get(key),
      put(key, newValue, timestamp, oldValue) {
        const put = store.putVersion(key, newValue, timestamp)
        if (put === 'expired') return null
        return put === 'latest' ? { newValue, oldValue } : { newValue, oldValue, isOutdated: true }
      },
    }
  }
  const rows = store as KeyValueStore<unknown, Row>
  return {
    get: (key) => rows.get(key),
    put(key, newValue, timestamp, oldValue) {
      rows.put(key, newValue === null ? null : { value: newValue, timestamp })
      return { newValue, oldValue }
    },
  }
}
