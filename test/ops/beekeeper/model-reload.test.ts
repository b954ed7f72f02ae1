import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ModelRow } from '../../../topology/swarm/log-management.ts'
import { ModelVersions } from '../../support/model-versions.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

describe('A swarm whose model has numbered versions', () => {
  const bees = (path: string, spec = '') => `  - {name: judge, type: tensor-rt, input: {name: entrance}, spec: {model: ${path}${spec}}}
  - {name: answer, type: respond, input: {name: judge}}`

  const reload = async (swarm: SwarmHere): Promise<ModelRow> => {
    const response = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/judge/reload`, { method: 'POST' })
    assert.equal(response.status, 200, await response.clone().text())
    return (await response.json()) as ModelRow
  }

  it('answers from a newer version after a reload, and no request fails meanwhile', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    await using swarm = await SwarmHere.open({}, { bees: bees(versions.path) })
    const answers: { readonly status: number; readonly version: string }[] = []
    let isOver = false
    const asking = (async () => {
      while (!isOver) {
        const response = await swarm.ask([1, 0, 0, 0])
        answers.push({ status: response.status, version: ((await response.json()) as { readonly version: string }).version })
      }
    })()
    versions.add(2)
    const { versions: rows } = await reload(swarm)
    const after = (await (await swarm.ask([1, 0, 0, 0])).json()) as object
    isOver = true
    await asking
    assert.deepEqual({ ...after, scores: null }, { label: '0', scores: null, model: 'judge', version: '2' })
    assert.ok(rows.some(({ version, state, share }) => version === '2' && state === 'serving' && share === 100))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(answers[0]?.version, '1')
  })

  it('answers from a newer version without a reload, some seconds after the version appears', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    await using swarm = await SwarmHere.open({}, { bees: bees(versions.path) })
    versions.add(2)
    await eventually(async () => ((await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version: string }).version === '2')
  })

  it('refuses a newer version with a different shape, and reports this in its log and in the response to the reload', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    await using swarm = await SwarmHere.open({}, { bees: bees(versions.path) })
    versions.add(2, { labels: 3 })
    const { versions: rows, refused_total: refused } = await reload(swarm)
    // On a slow machine, the swarm itself has found and refused the version before the reload.
    assert.ok(refused >= 1, String(refused))
    assert.deepEqual(
      rows.map(({ version, state }) => `${version} ${state}`),
      ['1 serving', '2 refused'],
    )
    assert.equal(rows[1]?.error?.code, 'WAGGLE_MODEL_SHAPE')
    assert.match(
      rows[1]?.error?.detail ?? '',
      /version 2 of .* has the output probabilities \(FP32 \[3\]\), where probabilities \(FP32 \[2\]\) is needed/,
    )
    assert.ok(
      swarm.said.some((line) => /^error version 2 of .* is refused, and version 1 goes on: /.test(line)),
      swarm.said.join('\n'),
    )
    const answer = (await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version: string }
    assert.equal(answer.version, '1')
    const metrics = await (await fetch(`${swarm.url}/metrics`)).text()
    assert.match(metrics, /waggle_model_version_share\{swarm="[^"]*",bee="judge",version="1"\} 1\n/)
    assert.match(metrics, /waggle_model_versions_refused_total\{swarm="[^"]*",bee="judge"\} [1-9]\d*\n/)
    assert.deepEqual(
      ((await (await fetch(`${swarm.url}/v2/models`)).json()) as readonly ModelRow[]).map(({ bee, type, model }) => [bee, type, model]),
      [['judge', 'tensor-rt', versions.path]],
    )
    const unknown = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/nobody/reload`, { method: 'POST' })
    assert.equal(unknown.status, 404)
  })

  it('shows no secret of the model’s spec, neither in its state nor in a refusal', async () => {
    using versions = new ModelVersions()
    versions.add(1)
    await using swarm = await SwarmHere.open({ WAGGLE_SECRET_PLACE: versions.path }, { bees: bees('"{{ secrets.PLACE }}"') })
    versions.add(2, { labels: 3 })
    const shown = JSON.stringify([await reload(swarm), await (await fetch(`${swarm.url}/v2/models`)).json()])
    assert.match(shown, /"model":"\{\{ .*PLACE \}\}"/)
    assert.match(shown, /version 2 of \{\{ .*PLACE \}\} has the output/)
    assert.ok(!shown.includes(versions.path))
  })

  it('splits its requests by traffic, and a following bee uses the same side for each request', async () => {
    using versions = new ModelVersions()
    for (const version of [1, 2, 7, 8]) versions.add(version)
    const judge = (name: string, spec: string) =>
      `  - {name: ${name}, type: tensor-rt, input: {name: entrance}, spec: {model: ${versions.path}, ${spec}}}`
    const both = [
      judge('judge', 'versions: {names: {stable: 1, canary: 2}}, traffic: {stable: 50, canary: 50}'),
      judge('second', 'versions: {names: {stable: 7, canary: 8}}, follow: judge'),
      '  - {name: both, type: weighted-average-ensemble, input: {join: [judge, second]}, spec: {}}',
      '  - {name: answer, type: respond, input: {name: both}}',
    ]
    await using swarm = await SwarmHere.open({}, { bees: both.join('\n') })
    const answers = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const { models } = (await (await swarm.ask([1, 0, 0, 0])).json()) as {
          readonly models: { readonly [bee: string]: { readonly version: string } }
        }
        return `${models.judge?.version} ${models.second?.version}`
      }),
    )
    assert.deepEqual(new Set(answers), new Set(['1 7', '2 8']))
  })

  it('gives a canary its share of 2,000 requests under load while the models are loaded again, and fails no request', async () => {
    using versions = new ModelVersions()
    for (const version of [1, 2]) versions.add(version)
    const spec = `{model: ${versions.path}, versions: {names: {stable: 1, canary: 2}}, traffic: {stable: 95, canary: 5}}`
    const lines = [
      `  - {name: judge, type: tensor-rt, input: {name: entrance}, spec: ${spec}}`,
      '  - {name: answer, type: respond, input: {name: judge}}',
    ]
    await using swarm = await SwarmHere.open({}, { bees: lines.join('\n') })
    const counts = new Map<string, number>()
    let left = 2000
    const client = async () => {
      while (left-- > 0) {
        const response = await swarm.ask([1, 0, 0, 0])
        assert.equal(response.status, 200)
        const { version } = (await response.json()) as { readonly version: string }
        counts.set(version, (counts.get(version) ?? 0) + 1)
      }
    }
    const clients = Array.from({ length: 32 }, client)
    for (const version of [1, 2]) {
      versions.remove(version)
      versions.add(version)
      const reloaded = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/judge/reload`, { method: 'POST' })
      assert.equal(reloaded.status, 200)
    }
    await Promise.all(clients)
    const canary = counts.get('2') ?? 0
    assert.equal((counts.get('1') ?? 0) + canary, 2000)
    // Six standard deviations around 100: a fair hash is outside once in 500 million runs.
    assert.ok(canary > 100 - 6 * 9.75 && canary < 100 + 6 * 9.75, `${canary} of 2,000 went to the canary`)
  })

  it('saves the result of a shadow as a separate row, and does not use it for the answer', async () => {
    using versions = new ModelVersions()
    for (const version of [1, 2]) versions.add(version)
    const lines = [
      `  - {name: judge, type: tensor-rt, input: {name: entrance}, spec: {model: ${versions.path}, shadow: 2}}`,
      `  - {name: other, type: tensor-rt, input: {name: entrance}, spec: {model: ${versions.path}, version: 1}}`,
      '  - {name: both, type: weighted-average-ensemble, input: {join: [judge, other]}, spec: {}}',
      '  - {name: answer, type: respond, input: {name: both}}',
      '  - {name: save, type: save-to-database, input: {stack: [judge]}, spec: {table: opinions}}',
    ]
    await using swarm = await SwarmHere.open({}, { bees: lines.join('\n') })
    for (let request = 0; request < 3; request++) {
      const { models } = (await (await swarm.ask([1, 0, 0, 0])).json()) as {
        readonly models: { readonly [bee: string]: { readonly version: string } }
      }
      assert.deepEqual(
        Object.entries(models).map(([bee, { version }]) => [bee, version]),
        [
          ['judge', '1'],
          ['other', '1'],
        ],
      )
    }
    const query =
      "SELECT bee, model, JSONExtractString(payload, 'version') AS version, count() AS n FROM opinions GROUP BY ALL ORDER BY bee FORMAT TSV"
    // On a busy machine, a shadow drops rows.
    const rows = await eventually(async () => {
      const text = await (await fetch(`${swarm.clickhouseUrl}/?query=${encodeURIComponent(query)}`)).text()
      return text.trim().split('\n').length === 2 ? text : null
    })
    assert.match(rows, /^judge\tjudge\t1\t[123]\njudge-shadow\tjudge\t2\t[123]\n$/)
  })
})
