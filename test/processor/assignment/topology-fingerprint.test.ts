import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { fingerprintOf } from '../../../processor/assignment/topology-fingerprint.ts'
import { swarmTopology } from '../../../processor/swarm/swarm-topology.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { noReplyTopics } from '../../../topology/swarm/request/reply-topics.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

it('The fingerprint of a swarm equals that of earlier versions, so that processes of both share the swarm’s tasks', () => {
  const file = join(resolve(import.meta.dirname, '..', '..', '..'), 'swarms', 'teddy-bear-detector', 'swarm.yaml')
  const swarm = checkSwarm(SwarmDocument.parse(readFileSync(file, 'utf8'), file), new BeeRegistry())
  const plan = planSwarm(swarm, { partitions: 4, retentionMs: 1000, retentionBytes: null, answerPartitions: 4 })
  const host = {
    open: () => Promise.reject(new Error('Nothing runs')),
    valueOf: () => (payload: Payload) => ({ payload, readers: null }),
    streamOf: () => assert.fail('There is no bee of the DSL'),
    batchOf: () => null,
  }
  const topology = swarmTopology(plan, host, { answersRetentionMs: 1, duplicateRetentionMs: 1, predictions: null, replyTopics: noReplyTopics })
  assert.equal(fingerprintOf(topology.subtopologies()).hash, 'VPtM0MQCwRbG')
})
