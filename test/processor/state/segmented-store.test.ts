import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { openStore } from '../../../processor/state/task-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { WindowStore } from '../../../topology/state-store.ts'
import { Stores } from '../../../topology/streams/stores.ts'

it('A window store keeps a sequence with its task’s positions only where it retains duplicates', () => {
  for (const retainDuplicates of [false, true]) {
    const supplier = Stores.persistentWindowStore('windows', { retentionMs: 1000, windowSizeMs: 10, retainDuplicates })
    const memory = new TaskMemory()
    const disk = new SimulatedDisk().store('task', 'windows')
    const { store } = openStore(Stores.windowStoreBuilder(supplier, Serdes.string(), Serdes.string()), disk, { topic: 't', maxEntries: 10, memory })
    const windows = store as WindowStore<string, string>
    windows.put('k', 'v', 5)
    windows.put('k', 'w', 5)
    assert.equal([...windows.fetch('k', 0, 10)].length, retainDuplicates ? 2 : 1)
    assert.deepEqual(
      memory.numbers.map(([name]) => name),
      retainDuplicates ? ['windows.time', 'windows.sequence'] : ['windows.time'],
    )
  }
})
