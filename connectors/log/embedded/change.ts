import type { RocksChange } from '../../rocksdb/rocks.ts'

/** A change outside of a commit: rows to write, and the same change to the objects in memory. */
export interface Change {
  readonly rows: readonly RocksChange[]
  /** Called when the rows are written, so that memory is never ahead of the database. */
  apply(): void
}

/** Joins several changes into one. */
export function together(changes: readonly Change[]): Change {
  return {
    rows: changes.flatMap(({ rows }) => rows),
    apply() {
      for (const change of changes) change.apply()
    },
  }
}
