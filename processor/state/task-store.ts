import type { Serde } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'
import type { KeptStore, StateStore, StoreSpec } from '../../topology/state-store.ts'
import type { ChangelogRecord, StoreBytes } from '../ports.ts'
import { Changelog, type RowChange } from './changelog.ts'
import { SegmentedSessionStore } from './segmented-session-store.ts'
import { SegmentedWindowStore } from './segmented-window-store.ts'
import { SegmentedVersionedStore, type Version, versionSerde } from './versioned-store.ts'
import { type StoreOptions, WriteBackStore } from './write-back-store.ts'

/** A store of one task: the store for its nodes, and its rows for commits. */
export interface TaskStore {
  readonly store: StateStore
  readonly rows: Pick<WriteBackStore<unknown, unknown>, 'takeChanges' | 'committed' | 'committedSize'>
  /** Turns taken changes into changelog records; null if the store has no changelog of its own. */
  readonly logged: ((changes: readonly RowChange[]) => readonly ChangelogRecord[]) | null
}

export function openStore(builder: StoreSpec, disk: StoreBytes, options: StoreOptions): TaskStore {
  if (builder.kind === 'custom') return { store: builder.build(), rows: nothingToCommit, logged: null }
  if (builder.kind === 'keyValue') {
    const rows = new WriteBackStore<unknown, unknown>(builder, disk, options)
    return { store: rows, rows, logged: rowByRow(builder) }
  }
  if (builder.kind === 'versioned') {
    const versions = { ...builder, key: Serdes.bytes(), value: versionSerde(builder.value as unknown as Serde<unknown>) }
    const rows = new WriteBackStore<Uint8Array, Version>(versions, disk, options)
    const store = new SegmentedVersionedStore(builder, rows, options)
    return { store, rows, logged: isLogged(builder) ? () => store.takeLogged() : null }
  }
  const rows = new WriteBackStore<Uint8Array, unknown>({ ...builder, key: Serdes.bytes() }, disk, options)
  const Store = builder.kind === 'window' ? SegmentedWindowStore : SegmentedSessionStore
  return { store: new Store(builder, rows, options), rows, logged: rowByRow(builder) }
}

/** True if the store has a changelog of its own: logging is on, and no source topic replaces the changelog. */
export function isLogged({ logging, sourceTopic }: KeptStore): boolean {
  return logging !== false && sourceTopic === undefined
}

function rowByRow(builder: KeptStore): TaskStore['logged'] {
  if (!isLogged(builder)) return null
  const changelog = new Changelog(builder)
  return (changes) => changes.flatMap((change) => changelog.recordOf(change) ?? [])
}

/** The rows of a custom store. Commits do not include a custom store, and it ends with its task. */
const nothingToCommit: TaskStore['rows'] = { takeChanges: () => [], committed() {}, committedSize: () => ({ rows: 0, bytes: 0, isCut: false }) }
