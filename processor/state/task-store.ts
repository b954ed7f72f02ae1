import type { Serde } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'
import type { StateStore, StoreSpec } from '../../topology/state-store.ts'
import type { StoreBytes } from '../ports.ts'
import { SegmentedSessionStore, SegmentedWindowStore } from './segmented-store.ts'
import { SegmentedVersionedStore, type Version, versionSerde } from './versioned-store.ts'
import { type StoreOptions, WriteBackStore } from './write-back-store.ts'

/** A store of one task: what its nodes see, and the rows that a commit takes its changes from. */
export interface TaskStore {
  readonly store: StateStore
  readonly rows: Pick<WriteBackStore<unknown, unknown>, 'takeChanges' | 'committed'>
}

export function openStore(builder: StoreSpec, disk: StoreBytes, options: StoreOptions): TaskStore {
  if (builder.kind === 'custom') return { store: builder.build(), rows: nothingToCommit }
  if (builder.kind === 'keyValue') {
    const rows = new WriteBackStore<unknown, unknown>(builder, disk, options)
    return { store: rows, rows }
  }
  if (builder.kind === 'versioned') {
    const versions = { ...builder, key: Serdes.bytes(), value: versionSerde(builder.value as unknown as Serde<unknown>) }
    const rows = new WriteBackStore<Uint8Array, Version>(versions, disk, options)
    return { store: new SegmentedVersionedStore(builder, rows, options), rows }
  }
  const rows = new WriteBackStore<Uint8Array, unknown>({ ...builder, key: Serdes.bytes() }, disk, options)
  const Store = builder.kind === 'window' ? SegmentedWindowStore : SegmentedSessionStore
  return { store: new Store(builder, rows, options), rows }
}

/** Of a store that is gone with its task. */
const nothingToCommit: TaskStore['rows'] = { takeChanges: () => [], committed() {} }
