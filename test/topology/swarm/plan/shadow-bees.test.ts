import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { planSwarm, type SwarmPlan } from '../../../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'

function planOf(spec: string, more: readonly string[] = []): SwarmPlan {
  const bees = [
    'name: door, type: gateway-input, spec: {name: door}',
    `name: judge, type: tensor-rt, input: {name: door}, spec: {model: ./m${spec}}`,
    'name: other, type: tensor-rt, input: {name: door}, spec: {model: ./m}',
    'name: both, type: weighted-average-ensemble, input: {join: [judge, other]}, spec: {}',
    'name: answer, type: respond, input: {name: both}',
    ...more,
  ]
  const yaml = `name: one\nbees:\n${bees.map((bee) => `  - {${bee}}\n`).join('')}`
  const swarm = checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), new BeeRegistry())
  return planSwarm(swarm, { partitions: 2, retentionMs: 1000, retentionBytes: null, answerPartitions: null })
}

const save = 'name: save, type: save-to-database, input: {name: judge}, spec: {table: rows}'

describe('A bee with a shadow', () => {
  it('gets a second bee on the same input, which the bee’s sinks read and no join reads', () => {
    const { bees, topics } = planOf(', versions: {names: {next: 4}}, shadow: next', [save])
    const shadow = bees.find(({ name }) => name === 'judge-shadow')
    assert.deepEqual(shadow?.spec, { model: './m', version: 4 })
    assert.equal(shadow?.shadows, 'judge')
    const readers = new Map(topics.map((topic) => [topic.name, topic.readers]))
    assert.deepEqual(readers.get('waggle.one.judge-shadow'), ['save'])
    assert.deepEqual(readers.get('waggle.one.door'), ['judge', 'other', 'judge-shadow'])
    assert.deepEqual(readers.get('waggle.one.judge'), ['both', 'save'])
  })

  it('passes its branches on to the second bee', () => {
    const bees = [
      'name: door, type: gateway-input, spec: {name: door}',
      "name: way, type: route, input: {name: door}, spec: {routes: {judge: 'x'}, default: other}",
      'name: judge, type: tensor-rt, input: {name: way}, spec: {model: ./m, shadow: 4}',
      'name: other, type: map, input: {name: way}, spec: {expression: "@"}',
      save,
    ]
    const yaml = `name: one\nbees:\n${bees.map((bee) => `  - {${bee}}\n`).join('')}`
    const swarm = checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), new BeeRegistry())
    const plan = planSwarm(swarm, { partitions: 2, retentionMs: 1000, retentionBytes: null, answerPartitions: null })
    const branches = plan.subtopologies.flatMap(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'branch' ? [`${step.name} ${step.names}`] : [])),
    )
    assert.deepEqual(branches, ['judge.branch judge', 'other.branch other', 'judge-shadow.branch judge'])
  })

  it('leaves the sub-topologies of all other bees where they are', () => {
    const shown = ({ subtopologies }: SwarmPlan) => subtopologies.map(({ id, bees }) => `${id} ${bees.join(', ')}`)
    const without = shown(planOf('', [save]))
    assert.deepEqual(shown(planOf(', shadow: 4', [save])), [...without, `${without.length} judge-shadow`])
  })

  it('is refused if no sink saves the second opinion, or if another bee has the shadow’s name', () => {
    assert.throws(() => planOf(', shadow: 4'), /swarm\.yaml:4:\d+: nothing saves the second opinion of judge/)
    const taken = 'name: judge-shadow, type: tensor-rt, input: {name: door}, spec: {model: ./m}'
    assert.throws(() => planOf(', shadow: 4', [save, taken]), /swarm\.yaml:4:\d+: a bee has the name judge-shadow of the shadow/)
  })
})
