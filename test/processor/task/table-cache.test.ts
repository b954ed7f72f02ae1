import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CurrentRecord } from '../../../processor/task/current-record.ts'
import { CacheBudget, TableCache } from '../../../processor/task/table-cache.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { keyValueStore } from '../../../topology/state-store.ts'

it('Custom keys that have a key and a window are distinguished by all of their members', () => {
  const store = keyValueStore({ name: 'store', key: Serdes.json<{ key: string; window: string }>(), value: Serdes.string() })
  const cache = new TableCache(store, new CacheBudget(10_000), new CurrentRecord(0, []))
  const forwarded: unknown[] = []
  cache.listen(
    ({ key }) => forwarded.push(key),
    () => false,
  )
  const keys = ['north', 'south', 'north'].map((window) => ({ key: 'k', window }))
  for (const key of keys) {
    cache.put({ key, change: { newValue: 'v', oldValue: null }, timestamp: 1, removedAt: 1, headers: [], before: null })
  }
  cache.flush()
  assert.deepEqual(
    forwarded,
    ['south', 'north'].map((window) => ({ key: 'k', window })),
  )
})
