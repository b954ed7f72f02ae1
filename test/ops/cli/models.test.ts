import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import type { ModelRow } from '../../../topology/swarm/log-management.ts'
import { ModelVersions } from '../../support/model-versions.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

function models(...argv: readonly string[]): Promise<{ readonly status: number | string | null; readonly out: string; readonly err: string }> {
  return new Promise((settle) => {
    execFile(process.execPath, [main, 'models', ...argv], { timeout: 60_000 }, (error, out, err) => settle({ status: error?.code ?? 0, out, err }))
  })
}

describe('waggle models', () => {
  it('lists, shows and reloads the models of a running process', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    await using swarm = await SwarmHere.open(
      {},
      {
        bees: `  - {name: judge, type: tensor-rt, input: {name: entrance}, spec: {model: ${versions.path}}}
  - {name: answer, type: respond, input: {name: judge}}`,
      },
    )
    const at = ['--url', swarm.url]
    assert.match(
      (await models('list', ...at)).out,
      /^swarm +bee +version +state +share +runs on\nhere-\S+ +judge +1 +serving +100 % +onnxruntime cpu\n$/,
    )
    versions.add(2)
    const reloaded = await models('reload', 'judge', ...at)
    assert.equal(reloaded.status, 0, reloaded.err)
    assert.match(reloaded.out, /judge +2 +serving +100 %/)
    versions.add(3, { labels: 3 })
    const refused = await models('reload', ...at)
    assert.equal(refused.status, 1)
    assert.match(refused.err, /^judge 3 is refused: version 3 of .* has the output probabilities .*\. .*\n$/)
    const shown = await models('get', `${swarm.name}/judge`, ...at)
    assert.match(
      shown.out,
      // On a slow machine, the swarm itself has found and refused the version before the command runs.
      /\nruns on {2}onnxruntime cpu\nrefused {2}[1-9]\d*\nversion {2}2 serving: 100 % of the requests, loaded at .*\nversion {2}3 refused: version 3 of/,
    )
    const json = JSON.parse((await models('get', 'judge', '--json', ...at)).out) as ModelRow
    assert.deepEqual([json.bee, json.versions.map(({ version }) => version)], ['judge', ['2', '3']])
    const unknown = await models('get', 'nobody', ...at)
    assert.equal(unknown.status, 1)
    assert.match(unknown.err, /No bee nobody has a model in that process.*\/judge/)
  })

  it('reports that no process runs', async () => {
    const { status, err } = await models('list', '--url', 'http://127.0.0.1:1')
    assert.equal(status, 3)
    assert.match(err, /cannot be reached/)
  })
})
