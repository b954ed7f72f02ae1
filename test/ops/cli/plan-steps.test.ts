import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { writeCountingSwarm } from '../../support/counting-swarm.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

interface Plan {
  readonly stores: readonly string[]
  readonly subtopologies: readonly { readonly bees: readonly string[]; readonly sources: readonly string[]; readonly sinks: readonly string[] }[]
  readonly topics: readonly { readonly name: string; readonly writers: readonly string[]; readonly readers: readonly string[] }[]
}

describe('waggle plan of a swarm with DSL steps', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-plan-'))
  after(() => rmSync(directory, { recursive: true }))
  const file = writeCountingSwarm(directory)
  const plan = (...argv: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'plan', file, ...argv], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    return stdout
  }

  it('with --steps lists the stores and topics that the steps add, and their places', () => {
    const { stores, subtopologies, topics } = JSON.parse(plan('--steps', '--json')) as Plan
    assert.ok(stores.includes('payments-by-card'), stores.join())
    assert.deepEqual(
      subtopologies.filter(({ bees }) => bees.includes('counts')).map(({ sources, sinks }) => [sources, [...sinks].sort()]),
      [
        [['waggle.cards.input'], ['waggle.cards-by-card-repartition', 'waggle.cards.counts']],
        [['waggle.cards-by-card-repartition'], ['waggle.cards.counts']],
      ],
    )
    const repartition = topics.find(({ name }) => name === 'waggle.cards-by-card-repartition')
    assert.deepEqual([repartition?.writers, repartition?.readers], [['counts'], ['counts']])
    assert.match(plan('--steps'), /cut here: {2}inside counts: its steps go on behind a topic/)
    assert.match(plan('--steps', '--format', 'mermaid'), /payments-by-card/)
  })

  it('without --steps runs no code of the swarm, and names the bees whose steps are left out', () => {
    const said = plan()
    assert.match(said, /\nNot shown: stores and topics of steps in counts\. --steps loads the modules and shows them\.\n$/)
    assert.ok(!said.includes('by-card'), said)
  })
})
