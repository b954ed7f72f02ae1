import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { swarmTopology } from '../../../../processor/swarm/swarm-topology.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import type { SwarmBee } from '../../../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../../../topology/swarm/payload/payload.ts'
import { planSwarm } from '../../../../topology/swarm/plan/plan.ts'
import { noReplyTopics } from '../../../../topology/swarm/request/reply-topics.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'
import { propertyRuns } from '../../../support/property-runs.ts'

const registry = new BeeRegistry()
const settings = { partitions: 4, retentionMs: 1000, retentionBytes: null, answerPartitions: 4 }
const host = {
  open: () => Promise.reject(new Error('Nothing runs')),
  valueOf: () => (payload: Payload) => ({ payload, readers: null }),
  streamOf: () => assert.fail('There is no bee of the DSL'),
  batchOf: () => null,
}
const gateway = '- { name: g, type: gateway-input, spec: { name: g } }\n'

function bee(name: string, input: string, type = 'module, spec: { file: ./m.ts }'): string {
  return `- { name: ${name}, input: ${input}, type: ${type} }\n`
}

function checked(bees: string) {
  return checkSwarm(SwarmDocument.parse(`name: big\nbees:\n${bees}`, 'swarm.yaml'), registry)
}

function topologyOf(bees: string) {
  const plan = planSwarm(checked(bees), settings)
  return swarmTopology(plan, host, { answersRetentionMs: 1, duplicateRetentionMs: 1, predictions: null, replyTopics: noReplyTopics })
}

/** The number of bees in a large swarm. */
const many = propertyRuns(10_000)

/** Functions that return a swarm with this many bees, by the shape of the swarm. */
const shapes: { readonly [shape: string]: (at: number) => string } = {
  'a chain': (at) => bee(`b${at}`, `{ name: ${at === 0 ? 'g' : `b${at - 1}`} }`),
  'a fan-out': (at) => bee(`b${at}`, '{ name: g }'),
  'a ladder of joins': (at) => bee(`b${at}`, at < 2 ? '{ name: g }' : `{ join: [b${at - 1}, b${at - 2}] }`),
  'a chain of batches': (at) =>
    bee(
      `b${at}`,
      `{ name: ${at === 0 ? 'g' : `b${at - 1}`} }`,
      at % 2 === 0 ? 'module, spec: { file: ./m.ts }' : 'batch, spec: { batch_size: 2, timeout_seconds: 1 }',
    ),
}

/**
 * The number of times that the planner reads the inputs and types of bees. This number measures the planner's steps, and does not depend on the
 * machine.
 */
function stepsToPlan(bees: string): number {
  const swarm = checked(bees)
  let steps = 0
  const counted = (one: SwarmBee): SwarmBee =>
    new Proxy(one, {
      get(target, key) {
        if (key === 'input' || key === 'type') steps++
        return Reflect.get(target, key)
      },
    })
  planSwarm({ ...swarm, bees: swarm.bees.map(counted) }, settings)
  return steps
}

describe('The planner', () => {
  for (const [shape, beeAt] of Object.entries(shapes)) {
    const swarmOf = (count: number) => gateway + Array.from({ length: count }, (_, at) => beeAt(at)).join('')

    it(`takes about ten times as many steps for ${shape} that is ten times as long`, () => {
      const [few, more] = [stepsToPlan(swarmOf(100)), stepsToPlan(swarmOf(1000))]
      assert.ok(more < few * 11, `${few} steps for 100 bees, ${more} for 1000`)
    })

    it(`makes a topology of ${shape} of ${many} bees`, () => {
      const topology = topologyOf(swarmOf(many))
      assert.ok(topology.nodes.size >= many / 2)
      assert.ok(topology.subtopologies().length > 0)
    })
  }

  it(`plans a join of ${many} bees, and the reason for its cut names only the first twenty`, () => {
    const inputs = Array.from({ length: many }, (_, at) => `b${at}`)
    const bees = gateway + inputs.map((name) => bee(name, '{ name: g }')).join('') + bee('last', `{ join: [${inputs.join(', ')}] }`)
    const { subtopologies } = planSwarm(checked(bees), settings)
    assert.match(
      subtopologies.find(({ bees: [first] }) => first === 'last')?.cut.reason ?? '',
      new RegExp(`^at a join: last waits for b0, .*, b19 and ${many - 20} more$`),
    )
    assert.ok(topologyOf(bees).subtopologies().length > many)
  })

  it('keeps parts as long as a call of the bee that publishes them may take, and ten minutes at least', () => {
    const ageOf = (more: string) => {
      const { topics, partsTopic } = planSwarm(checked(gateway + bee('a', '{ name: g }', `module, spec: { file: ./m.ts }${more}`)), settings)
      return topics.flatMap(({ name, leastAgeMs }) => (leastAgeMs === undefined ? [] : [[name === partsTopic, leastAgeMs]]))
    }
    assert.deepEqual(ageOf(''), [[true, 600_000]])
    assert.deepEqual(ageOf(', timeout_seconds: 7200'), [[true, 7_200_000]])
  })

  it('puts a module that joins into a sub-topology of its own', () => {
    const topology = topologyOf(gateway + bee('a', '{ name: g }') + bee('b', '{ name: g }') + bee('c', '{ join: [a, b] }'))
    const sinks = topology.subtopologies().map((one) => one.sinks.filter((sink) => !sink.endsWith('dead-letters')))
    assert.ok(sinks.some((names) => names.includes('waggle.big-c-join-repartition')))
    assert.ok(sinks.some((names) => names.includes('waggle.big.c')))
  })

  it('distinguishes its own steps from bees with the same names', () => {
    const names = [
      'a',
      'a-source',
      'a-sink',
      'a-join',
      'a-join-sink',
      'a-topic',
      'a-replies',
      'dead-letters-0',
      'ledger',
      'ledger-source',
      'g-accepted',
    ]
    const joins = bee('j', '{ join: [a, a-sink] }') + bee('j-join', '{ name: j }') + bee('j-source', '{ name: j }')
    assert.ok(topologyOf(gateway + names.map((name) => bee(name, '{ name: g }')).join('') + joins).nodes.size > names.length)
  })
})
