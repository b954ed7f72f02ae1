import type { Windowed } from '../../../topology/record.ts'
import type {
  KeyValueStore,
  SessionStore,
  StateStore,
  ValueAndTimestamp,
  VersionedKeyValueStore,
  WindowStore,
} from '../../../topology/state-store.ts'
import type { Suppressed } from '../../../topology/streams/suppress-serdes.ts'
import type { TableView } from '../../../topology/streams/table-view.ts'

type Row = ValueAndTimestamp<unknown> | null
/** `asOf` asks a versioned table for the row at that time. */
export type TableLookup = (key: unknown, asOf?: number) => Row

export function openTable(view: TableView, storeOf: <S extends StateStore>(name: string) => S): TableLookup {
  switch (view.kind) {
    case 'store':
      return openStore(view, storeOf)
    case 'map': {
      const below = openTable(view.table, storeOf)
      return (key, asOf) => {
        const row = below(key, asOf)
        const value = row === null ? null : view.compute(key, row.value)
        return row === null || value === null ? null : { value, timestamp: row.timestamp }
      }
    }
    case 'suppressed': {
      const waiting = storeOf<KeyValueStore<unknown, Suppressed>>(view.store)
      const below = openTable(view.table, storeOf)
      return (key) => {
        const held = waiting.get(key)
        if (held === null) return below(key)
        return held.prior === null ? null : { value: held.prior, timestamp: -1 }
      }
    }
    case 'join': {
      const left = openTable(view.left, storeOf)
      const right = openTable(view.right, storeOf)
      return (key) => {
        const [a, b] = [left(key), right(key)]
        if ((a === null && !view.keepsRight) || (b === null && !view.keepsLeft) || (a === null && b === null)) return null
        const value = view.join(key, a?.value ?? null, b?.value ?? null)
        return value === null ? null : { value, timestamp: Math.max(a?.timestamp ?? -1, b?.timestamp ?? -1) }
      }
    }
  }
}

function openStore({ store, of }: Extract<TableView, { kind: 'store' }>, storeOf: <S extends StateStore>(name: string) => S): TableLookup {
  if (of === 'keyValue') {
    const rows = storeOf<KeyValueStore<unknown, ValueAndTimestamp<unknown>>>(store)
    return (key) => rows.get(key)
  }
  if (of === 'versioned') {
    const versions = storeOf<VersionedKeyValueStore<unknown, unknown>>(store)
    return (key, asOf) => versions.get(key, asOf)
  }
  if (of === 'window') {
    const windows = storeOf<WindowStore<unknown, ValueAndTimestamp<unknown>>>(store)
    return (windowed) => {
      const { key, window } = windowed as Windowed<unknown>
      return windows.fetch(key, window.start)
    }
  }
  const sessions = storeOf<SessionStore<unknown, unknown>>(store)
  return (windowed) => {
    const { key, window } = windowed as Windowed<unknown>
    for (const [found, value] of sessions.findSessions(key, window.end, window.start)) {
      if (found.window.start === window.start && found.window.end === window.end) return { value, timestamp: window.end }
    }
    return null
  }
}
