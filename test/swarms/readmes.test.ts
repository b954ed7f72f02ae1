import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { describePlan } from '../../topology/swarm/plan/plan-description.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'

const swarms = resolve(import.meta.dirname, '..', '..', 'swarms')
const names = readdirSync(swarms).filter((name) => existsSync(join(swarms, name, 'swarm.yaml')))

describe('The README of a swarm', () => {
  it('is linked from the page of swarms, which lists each swarm', () => {
    const page = readFileSync(resolve(swarms, '..', 'docs', 'swarms.md'), 'utf8')
    const listed = [...page.matchAll(/^\| `swarms\/([\w-]+)\/` \|/gm)].map(([, name]) => name)
    assert.deepEqual(listed.toSorted(), names.toSorted())
  })

  for (const name of names)
    it(`shows the plan of ${name} as waggle plan draws it`, () => {
      const file = join(swarms, name, 'swarm.yaml')
      const swarm = checkSwarm(SwarmDocument.parse(readFileSync(file, 'utf8'), file), new BeeRegistry())
      const plan = planSwarm(swarm, { partitions: 4, retentionMs: 1, retentionBytes: null, answerPartitions: null })
      const [, picture] = /^```mermaid\n([\s\S]*?)\n```$/m.exec(readFileSync(join(swarms, name, 'README.md'), 'utf8')) ?? []
      assert.equal(picture, describePlan(plan, 'mermaid'))
    })
})
