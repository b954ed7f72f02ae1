import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { changeKinds } from './changes.ts'
import { changesText } from './changes-report.ts'
import { type ChangesOptions, changesThroughKills } from './changes-through-kills.ts'

const short = { seed: 3, isOver: (changes) => changes === changeKinds.length } satisfies Partial<ChangesOptions>

async function expectAllHeld(options: ChangesOptions, test: TestContext): Promise<void> {
  const report = await changesThroughKills(options)
  test.diagnostic(changesText(report))
  assert.deepEqual(report.broken, [])
  assert.deepEqual(new Set(report.changes.map(({ kind }) => kind)), new Set(changeKinds))
  assert.ok(report.resumed > 0, 'a stream has gone on behind its last event')
  for (const [version, answers] of Object.entries(report.answersOf)) assert.ok(answers > 0, `${version} has answered`)
}

it('A server that is updated, rolled back, restarted and killed answers each request once, by one version, and with the parts that streams had', async (test) => {
  await expectAllHeld({ ...short, cluster: null, servers: 1, processing: 'exactly_once' }, test)
})

describeWithKafka('Two servers on one cluster that are updated, rolled back, restarted and killed', { own: true }, (cluster) => {
  it('answer each request once, by one version, and with the parts that streams had at either', async (test) => {
    await expectAllHeld({ ...short, cluster: cluster(), servers: 2, processing: 'exactly_once' }, test)
  })
})
