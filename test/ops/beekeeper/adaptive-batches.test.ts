import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const bees = (spec: string) => `  - {name: batching, type: batch, input: {name: entrance}, spec: ${spec}}
  - {name: model, type: tensor-rt, input: {name: batching}, spec: {model: ./small.onnx, labels: [no, yes]}}
  - {name: answer, type: respond, input: {name: model}}`
const files = { 'small.onnx': smallModel({ features: 4, labels: 2 }) }

/** The current number of rows of a full batch of the model, from the metrics. */
async function rowsLimit(swarm: SwarmHere): Promise<number> {
  const text = await (await fetch(`${swarm.url}/metrics`)).text()
  const [, limit] = /^waggle_bee_batch_rows_limit\{[^}]*bee="model"[^}]*\} (\d+)$/m.exec(text) ?? []
  return Number(limit)
}

describe('The batches of a swarm', () => {
  it('grow up to their limit if their calls keep the target latency', async () => {
    await using swarm = await SwarmHere.open({}, { bees: bees('{target_latency_ms: 30000, batch_size: 8}'), files })
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => swarm.ask([1, 0, 9, 9])))
      for (const { status } of answers) assert.equal(status, 200)
      return (await rowsLimit(swarm)) === 8
    })
  })

  it('stay at one row if no call keeps the target latency', async () => {
    await using swarm = await SwarmHere.open({}, { bees: bees('{target_latency_ms: 0.0001, timeout_seconds: 0}'), files })
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 10 }, () => swarm.ask([1, 0, 9, 9])))
    assert.equal(await rowsLimit(swarm), 1)
  })
})
