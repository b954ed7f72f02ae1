import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { smallModel } from '../../../ops/bench/small-model.ts'
import type { ModelRow } from '../../../topology/swarm/log-management.ts'
import { SwarmHere } from '../../support/swarm-here.ts'
import { turnedModel } from '../../support/turned-model.ts'

const bees = (path: string) => `  - {name: judge, type: tensor-rt, input: {name: entrance}, spec: {model: ${path}}}
  - {name: answer, type: respond, input: {name: judge}}`

describe('A swarm whose model is one file', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-model-'))
  after(() => rmSync(root, { recursive: true }))
  const path = join(root, 'model.onnx')

  /** Replaces the model's file in one step. */
  const put = (bytes: Uint8Array) => {
    writeFileSync(`${path}.next`, bytes)
    renameSync(`${path}.next`, path)
  }
  const labelOf = async (swarm: SwarmHere) => ((await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly label: string }).label
  const reload = async (swarm: SwarmHere) => {
    const response = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/judge/reload`, { method: 'POST' })
    assert.equal(response.status, 200, await response.clone().text())
    return (await response.json()) as ModelRow
  }

  it('answers from the changed file after a reload, and from the old model if the new file is broken or does not fit', async () => {
    put(smallModel({ features: 4, labels: 2 }))
    await using swarm = await SwarmHere.open({}, { bees: bees(path) })
    assert.equal(await labelOf(swarm), '0')
    put(turnedModel())
    assert.equal(await labelOf(swarm), '0', 'a changed file alone changes nothing')
    assert.equal((await reload(swarm)).refused_total, 0)
    assert.equal(await labelOf(swarm), '1')

    put(smallModel({ features: 4, labels: 3 }))
    const { versions, refused_total: refused } = await reload(swarm)
    assert.equal(refused, 1)
    assert.deepEqual(
      versions.map(({ version, state, error }) => [version, state, error?.code ?? null]),
      [
        [null, 'serving', null],
        [null, 'refused', 'WAGGLE_MODEL_SHAPE'],
      ],
    )
    put(smallModel({ features: 4, labels: 2 }).subarray(0, 60))
    assert.ok((await reload(swarm)).versions.some(({ error }) => error?.code === 'WAGGLE_MODEL_INVALID'))
    assert.equal(await labelOf(swarm), '1')
    assert.ok(
      swarm.said.some((line) => /^error .*model\.onnx is refused, and the old one goes on: .*has the output probabilities \(FP32 \[3\]\)/.test(line)),
      swarm.said.join('\n'),
    )
    assert.match(await (await fetch(`${swarm.url}/metrics`)).text(), /waggle_model_versions_refused_total\{[^}]*bee="judge"\} 2\n/)
  })

  it('answers all requests even if its model’s thread dies, and reports the death in its log', async () => {
    put(smallModel({ features: 4, labels: 2 }))
    const threads: Worker[] = []
    const seen = (thread: Worker) => threads.push(thread)
    process.on('worker', seen)
    await using swarm = await SwarmHere.open({}, { bees: bees(path) })
    process.off('worker', seen)
    const asked = Array.from({ length: 20 }, () => swarm.ask([1, 0, 0, 0]))
    await Promise.all(threads.filter(({ resourceLimits }) => resourceLimits?.maxOldGenerationSizeMb === 2048).map((thread) => thread.terminate()))
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    assert.deepEqual(new Set(statuses), new Set([200]))
    assert.equal((await swarm.ask([1, 0, 0, 0])).status, 200)
    assert.ok(
      swarm.said.some((line) => /^error the thread of .*model\.onnx died \(it ended with 1\) and is started again$/.test(line)),
      swarm.said.join('\n'),
    )
  })

  it('answers 502 for a row whose output is not a number, with the name of the output, and answers the other rows', async () => {
    put(smallModel({ features: 4, labels: 2 }))
    await using swarm = await SwarmHere.open({}, { bees: bees(path) })
    // The sum of two such numbers is infinite in FP32, so its softmax is not a number.
    const [good, bad] = await Promise.all([swarm.ask([1, 0, 0, 0]), swarm.ask([3e38, 3e38, 0, 0])])
    assert.equal(good.status, 200)
    assert.equal(bad.status, 502)
    assert.match(await bad.text(), /judge gave NaN in its output probabilities/)
  })
})
