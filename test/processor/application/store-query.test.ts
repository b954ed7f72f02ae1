import assert from 'node:assert/strict'
import { it } from 'node:test'
import { answerQuery } from '../../../processor/application/store-query.ts'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { WriteBackStore } from '../../../processor/state/write-back-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { keyValueStore } from '../../../topology/state-store.ts'

it('A long answer yields to other work of the process', async () => {
  const builder = keyValueStore({ name: 'store', key: Serdes.integer(), value: Serdes.string() })
  const options = { topic: 't', maxEntries: 10_000, memory: new TaskMemory() }
  const store = new WriteBackStore<number, string>(builder, new SimulatedDisk().store('task', 'store'), options)
  for (let key = 0; key < 5000; key++) store.put(key, 'v')
  let turns = 0
  const other = () => {
    turns++
    return setImmediate(() => {
      last = other()
    })
  }
  let last = other()
  const keys: number[] = []
  const answer = answerQuery({ kind: 'range', from: null, to: null }, store, builder) as AsyncIterable<readonly [number, unknown]>
  for await (const [key] of answer) keys.push(key)
  clearImmediate(last)
  assert.equal(keys.length, 5000)
  assert.ok(turns >= 5, `${turns} turns`)
})
