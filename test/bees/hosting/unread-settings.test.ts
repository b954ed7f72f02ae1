import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SwarmHere } from '../../support/swarm-here.ts'

describe('A setting that a bee does not read', () => {
  it('causes a warning in the log of a run, with the place of the setting', async () => {
    await using swarm = await SwarmHere.open(
      {},
      {
        bees: `  - {name: part, replicas: 2, type: map, input: {name: entrance}, spec: {expression: a}}
  - {name: answer, type: respond, input: {name: part}}`,
      },
    )
    const warnings = swarm.said.filter((line) => line.includes('no effect'))
    assert.equal(warnings.length, 1)
    assert.match(
      warnings[0] ?? '',
      /^warn .*swarm\.yaml:4:28: replicas has no effect on part: a bee of type map does not read it\. Remove replicas\.$/,
    )
  })
})
