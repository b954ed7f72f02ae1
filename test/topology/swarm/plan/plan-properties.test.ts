import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { swarmTopology } from '../../../../processor/swarm/swarm-topology.ts'
import type { Topology } from '../../../../topology/graph.ts'
import { parentsOf, type Subtopology } from '../../../../topology/subtopology.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import type { SwarmBee } from '../../../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../../../topology/swarm/payload/payload.ts'
import { planSwarm, type SwarmPlan } from '../../../../topology/swarm/plan/plan.ts'
import type { SubtopologyPlan } from '../../../../topology/swarm/plan/subtopology-plan.ts'
import { noReplyTopics } from '../../../../topology/swarm/request/reply-topics.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'
import { propertyRuns } from '../../../support/property-runs.ts'
import { randomSwarm } from '../../../support/random-swarm.ts'

const registry = new BeeRegistry()
const host = {
  open: () => Promise.reject(new Error('Nothing runs')),
  valueOf: () => (payload: Payload) => ({ payload, readers: null }),
  streamOf: () => assert.fail('There is no bee of the DSL'),
  batchOf: () => null,
}

function planOf(yaml: string): SwarmPlan {
  return planSwarm(checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), registry), {
    partitions: 2,
    retentionMs: 1000,
    retentionBytes: null,
    answerPartitions: 2,
  })
}

function topologyOf(plan: SwarmPlan): Topology {
  return swarmTopology(plan, host, { answersRetentionMs: 1, duplicateRetentionMs: 1, predictions: null, replyTopics: noReplyTopics })
}

function holds(property: (plan: SwarmPlan, reordered: string) => void): void {
  fc.assert(
    fc.property(randomSwarm, ([yaml, reordered]) => property(planOf(yaml), reordered)),
    { numRuns: propertyRuns(500) },
  )
}

/** The nodes of a sub-topology that write to a store. An asynchronous node can only read a store (`Repeats.isRepeat`). */
function withState(topology: Topology, { stores, nodes }: Subtopology): ReadonlySet<string> {
  const readers = new Set(nodes.filter(({ kind }) => kind === 'async').map(({ name }) => name))
  return new Set(stores.flatMap(({ name }) => [...topology.usersOf(name)]).filter((name) => !readers.has(name)))
}

/** All nodes above a node, up to the sources. */
function ancestorsOf(topology: Topology, name: string): ReadonlySet<string> {
  const node = topology.nodes.get(name)
  const found = new Set(node === undefined ? [] : parentsOf(node))
  // The iteration also visits entries that are added to the set meanwhile.
  for (const one of found) {
    const above = topology.nodes.get(one)
    if (above !== undefined) for (const parent of parentsOf(above)) found.add(parent)
  }
  return found
}

/** The number of sub-topologies in which a bee should be. */
function countOf(bee: SwarmBee, bees: readonly SwarmBee[]): number {
  // A batch is at the head of each bee that reads it.
  if (bee.type.role === 'batch') return bees.filter(({ input }) => input?.bees.includes(bee.name)).length
  // A cache takes part in two sub-topologies. It sets the keys of its records before a topic, and has its store behind the topic.
  if (bee.type.role === 'cache') return 2
  // An asynchronous bee that joins is in two sub-topologies. Its join is before a topic, and its call is behind the topic.
  const isAsynchronous = bee.type.role === 'call' || bee.type.role === 'sink'
  return bee.input?.kind === 'join' && isAsynchronous ? 2 : 1
}

/** A sub-topology without its number, and without the order of its topics. Both depend on the order of the bees in the file. */
function shapeOf({ bees, sources, sinks, stores, cut }: SubtopologyPlan): string {
  return JSON.stringify([cut.kind, bees, [...sources].sort(), [...sinks].sort(), stores])
}

describe('The plan of any swarm', () => {
  it('has no state before an asynchronous node of the same sub-topology', () => {
    holds((plan) => {
      const topology = topologyOf(plan)
      for (const subtopology of topology.subtopologies()) {
        const stateful = withState(topology, subtopology)
        for (const { name, kind } of subtopology.nodes)
          if (kind === 'async') for (const above of ancestorsOf(topology, name)) assert.ok(!stateful.has(above), `${above} has state before ${name}`)
      }
    })
  })

  it('becomes a topology with the same sub-topologies', () => {
    holds((plan) => {
      const compiled = topologyOf(plan).subtopologies()
      assert.equal(compiled.length, plan.subtopologies.length)
      for (const { id, sources, steps } of plan.subtopologies) {
        assert.deepEqual([...(compiled[id]?.sources ?? [])].sort(), [...sources].sort())
        const names = new Set(compiled[id]?.nodes.map(({ name }) => name))
        for (const { name } of steps) assert.ok(names.has(name), `${name} is not in sub-topology ${id}`)
      }
    })
  })

  it('has each bee in exactly those sub-topologies where it belongs', () => {
    holds(({ bees, subtopologies }) => {
      for (const bee of bees) {
        const own = subtopologies.filter((one) => one.bees.includes(bee.name))
        assert.equal(own.length, countOf(bee, bees), `${bee.name} is in ${own.length} sub-topologies`)
        const calls = own.flatMap(({ steps }) => steps.filter(({ kind, name }) => kind !== 'join' && name === bee.name))
        assert.equal(calls.length, bee.type.role === 'batch' ? 0 : 1, `${bee.name} runs ${calls.length} times`)
      }
    })
  })

  it('brings the output of each bee to each of its readers, by a topic or within a sub-topology', () => {
    holds(({ bees, subtopologies }) => {
      const byName = new Map(bees.map((bee) => [bee.name, bee]))
      for (const reader of bees) {
        if (reader.type.role === 'batch') continue
        for (const input of reader.input?.bees ?? []) {
          const named = byName.get(input)
          const feeder = named?.type.role === 'batch' ? (named.input?.bees[0] ?? '') : input
          const [writing] = subtopologies.filter(({ steps }) => steps.some(({ kind, name }) => kind !== 'join' && name === feeder))
          const [reading] = subtopologies.filter(({ bees: own }) => own.includes(reader.name))
          const topics = writing?.sinks.filter((topic) => reading?.sources.includes(topic)) ?? []
          const isFused = reading?.steps.some(({ name, parents }) => name === reader.name && parents.includes(feeder)) ?? false
          assert.ok(isFused || topics.includes(`waggle.s.${feeder}`), `${reader.name} gets nothing of ${feeder}`)
        }
      }
    })
  })

  it('is the same for any order of the bees in the file', () => {
    holds((plan, reordered) => {
      assert.deepEqual(plan.subtopologies.map(shapeOf).sort(), planOf(reordered).subtopologies.map(shapeOf).sort())
    })
  })
})
