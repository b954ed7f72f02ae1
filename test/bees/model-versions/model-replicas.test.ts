import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, describe, it } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { ReplicatedBee } from '../../support/replicated-bee.ts'
import { eventually } from '../../support/swarm-here.ts'

/** The channel on which Node reports each thread that it starts. */
const channel = 'worker_threads'

describe('The replicas of a model', () => {
  const threads = new Set<Worker>()
  const started = (message: unknown) => {
    const { worker } = message as { readonly worker: Worker }
    threads.add(worker)
    worker.once('exit', () => threads.delete(worker))
  }
  before(() => subscribe(channel, started))
  after(() => unsubscribe(channel, started))

  const settings = 'max_replicas: 2, type: tensor-rt, spec: {model: ./small.onnx, labels: [a, b]}'
  const files = { 'small.onnx': smallModel({ features: 4, labels: 2 }) }
  const row = [1, 1, 0, 0]
  const times = (count: number) => Array<readonly number[]>(count).fill(row)

  it('are threads that start while rows wait and end when one is enough', async () => {
    await using bee = await ReplicatedBee.open(settings, files)
    assert.deepEqual([bee.counts.replicas, threads.size], [1, 1])
    for (let time = 0; time < 2; time++) await bee.halfSecond(times(8))
    assert.deepEqual([bee.counts.replicas, threads.size], [2, 2])
    assert.match(bee.lines.join('\n'), /info work gets replica 2: 8\.0 calls are in flight at a time, and a row waits \d+ ms/)
    // Two calls at a time keep two threads busy, and no row waits.
    for (let time = 0; time < 20; time++) {
      const results = await bee.halfSecond(times(2))
      for (const result of results) assert.equal((result as { readonly json: { readonly label: string } }).json.label, 'a')
    }
    assert.equal(bee.counts.replicas, 2)
    for (let time = 0; time < 70; time++) await bee.halfSecond()
    assert.deepEqual(bee.counts, { replicas: 1, grown: 1, shrunk: 1, takenBack: 0, failed: 0 })
    await eventually(async () => threads.size === 1)
  })
})
