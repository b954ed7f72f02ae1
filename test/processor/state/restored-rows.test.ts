import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes, Stores } from 'waggle-streams'
import { restoredRows } from '../../../processor/state/restored-rows.ts'
import type { KeptStore } from '../../../topology/state-store.ts'

const text = Serdes.string()
const noBytes = { get: () => null, getMany: (keys: readonly Uint8Array[]) => keys.map(() => null), range: () => [].values() }
const stores = {
  window: Stores.windowStoreBuilder(Stores.persistentWindowStore('windows', { retentionMs: 100_000, windowSizeMs: 10 }), text, text),
  session: Stores.sessionStoreBuilder(Stores.persistentSessionStore('sessions', { retentionMs: 100_000 }), text, text),
}

for (const [kind, builder] of Object.entries(stores)) {
  it(`A changelog key that no ${kind} store can have written makes no row, and all other rows are restored`, () => {
    const rows = restoredRows(builder as unknown as KeptStore, noBytes, new Map())
    const record = (key: Uint8Array | null, offset: number) => ({ offset, timestamp: 1, key, value: Buffer.from('v'), headers: [] })
    const own = Buffer.alloc(17)
    rows.add([record(null, 0), record(Buffer.alloc(0), 1), record(Buffer.from('garbage'), 2), record(Buffer.alloc(11), 3), record(own, 4)])
    const restored = [...rows.take()]
    assert.equal(restored.length, 1)
    assert.ok(Buffer.from(restored[0]?.[0] ?? []).length >= own.length)
  })
}
