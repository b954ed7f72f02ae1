import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { openStore } from '../../../processor/state/task-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { VersionedKeyValueStore } from '../../../topology/state-store.ts'
import { Stores } from '../../../topology/streams/stores.ts'

const text = Serdes.string()
const key = fc.constantFrom('a', 'ab', 'b')
const time = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 12_000 }) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('put' as const), key, value: fc.option(fc.string({ maxLength: 2 })), time }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('get' as const), key, time: fc.option(time) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reopen' as const) }) },
)
const historyMs = 9000

it('A versioned store returns the value that was valid at a given time within its history, even after a restart', () => {
  const supplier = Stores.persistentVersionedKeyValueStore('versions', { historyRetentionMs: historyMs })
  const builder = Stores.versionedKeyValueStoreBuilder(supplier, text, text)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const disk = new SimulatedDisk().store('task', 'versions')
      let memory = new TaskMemory()
      const open = () => openStore(builder, disk, { topic: 't', maxEntries: 4, memory })
      let opened = open()
      const store = () => opened.store as VersionedKeyValueStore<string, string>
      const model = new Map<string, Map<number, string | null>>()
      let streamTime = -1
      for (const one of steps) {
        if (one.op === 'reopen') {
          for (const [bytes, value] of opened.rows.takeChanges()) disk.change(bytes, value)
          memory = new TaskMemory(memory.numbers)
          opened = open()
        } else if (one.op === 'put') {
          const versions = model.get(one.key) ?? new Map<number, string | null>()
          model.set(one.key, versions)
          // Kafka Streams, and therefore Waggle, may forget this deletion.
          if (one.value === null && typeof versions.get(one.time) === 'string') continue
          store().put(one.key, one.value, one.time)
          if (one.time < streamTime - historyMs) continue
          streamTime = Math.max(streamTime, one.time)
          versions.set(one.time, one.value)
        } else {
          const versions = [...(model.get(one.key) ?? [])].sort(([a], [b]) => a - b)
          const at = versions.findLastIndex(([from]) => one.time === null || from <= one.time)
          const isExpired = one.time !== null && one.time < streamTime - historyMs && at < versions.length - 1
          const [from, value] = versions[at] ?? [0, null]
          const expected = value === null || isExpired ? null : { value, timestamp: from, validTo: versions[at + 1]?.[0] ?? null }
          assert.deepEqual(store().get(one.key, ...(one.time === null ? [] : [one.time])), expected)
        }
      }
    }),
    { numRuns: 1000 },
  )
})
