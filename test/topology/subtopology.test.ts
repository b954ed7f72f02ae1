import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../bees/registry.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { ledgerStore, planSwarm } from '../../topology/swarm/plan/plan.ts'
import { noReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'

describe('The capabilities that a sub-topology needs', () => {
  it('come only from its own bees', () => {
    const yaml = `name: lit
bees:
  - { name: door, type: gateway-input, spec: { name: door } }
  - { name: small, type: module, input: { name: door }, spec: { file: ./small.ts } }
  - { name: large, type: module, gpu: 2, input: { name: small }, spec: { file: ./large.ts } }
  - { name: answer, type: respond, input: { name: large } }
`
    const plan = planSwarm(checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), new BeeRegistry()), {
      partitions: 2,
      retentionMs: 1000,
      retentionBytes: null,
      answerPartitions: null,
    })
    const never = () => assert.fail('nothing runs here')
    const host = { open: never, valueOf: () => never, streamOf: () => assert.fail('There is no bee of the DSL'), batchOf: () => null }
    const topology = swarmTopology(plan, host, {
      answersRetentionMs: 1000,
      duplicateRetentionMs: null,
      predictions: null,
      replyTopics: noReplyTopics,
    })
    const copy = topology.mapped({ topic: (name) => name, serde: (serde) => serde, timestampExtractor: null })
    for (const { nodes, needs } of copy.subtopologies()) {
      assert.deepEqual(needs, nodes.some(({ name }) => name === 'large') ? { gpu: 2 } : {})
    }
    assert.equal(copy.subtopologies().filter(({ needs }) => needs.gpu === 2).length, 1)
    const ledger = copy.subtopologies().find(({ stores }) => stores.some(({ name }) => name === ledgerStore))
    assert.deepEqual(ledger?.needs, {}, 'requests are known, and end by their deadline, where no GPU is')
  })
})
