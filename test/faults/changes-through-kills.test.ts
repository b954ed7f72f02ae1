import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
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
  // One change of each kind.
  await expectAllHeld({ changes: changeKinds.length, cluster: null, servers: 1, processing: 'exactly_once' }, test)
})
