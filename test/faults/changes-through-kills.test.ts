import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { changeKinds } from './changes.ts'
import { changesText } from './changes-report.ts'
import { type ChangesOptions, changesThroughKills } from './changes-through-kills.ts'

async function expectAllHeld(
  { changes, ...options }: Omit<ChangesOptions, 'seed' | 'isOver'> & { readonly changes: number },
  test: TestContext,
): Promise<void> {
  const report = await changesThroughKills({ ...options, seed: 3, isOver: (done) => done === changes })
  test.diagnostic(changesText(report))
  assert.deepEqual(report.broken, [])
  assert.equal(report.changes.length, changes)
  assert.ok(report.resumed > 0, 'a stream has gone on behind its last event')
  for (const [version, answers] of Object.entries(report.answersOf)) assert.ok(answers > 0, `${version} has answered`)
}

it('A server that is updated, rolled back, restarted and killed answers each request once, by one version, and with the parts that streams had', async (test) => {
  // Each kind once.
  await expectAllHeld({ changes: changeKinds.length, cluster: null, servers: 1, processing: 'exactly_once' }, test)
})

describeWithKafka('Two servers on one cluster that are updated, rolled back, restarted and killed', { own: true }, (cluster) => {
  it('answer each request once, by one version, and with the parts that streams had at either', async (test) => {
    // An update, a kill, a kill in an update, a rollback and a cut of all streams. A change takes longer on a cluster.
    await expectAllHeld({ changes: 5, cluster: cluster(), servers: 2, processing: 'exactly_once' }, test)
  })
})
