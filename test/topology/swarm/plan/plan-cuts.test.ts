import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../../../bees/registry.ts'
import { checkSwarm } from '../../../../topology/swarm/check/check-swarm.ts'
import { type CutKind, cutKinds } from '../../../../topology/swarm/plan/cuts.ts'
import { planSwarm } from '../../../../topology/swarm/plan/plan.ts'
import type { SubtopologyPlan } from '../../../../topology/swarm/plan/subtopology-plan.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'

interface Row {
  /** The bees behind the gateway `g`. */
  readonly yaml: string
  /** Each sub-topology as `kind of cut: bees | topics that it reads → topics that it writes`. */
  readonly subtopologies: readonly string[]
  /** The words in the reason of the row's own cut. */
  readonly reason: string
}

const gateway = '- { name: g, type: gateway-input, spec: { name: g } }'
const entrance = 'gateway: g | waggle.gateway.g → waggle.s-accepted-repartition, waggle.s.g'
const entranceWithA = 'gateway: g, a | waggle.gateway.g → waggle.s-accepted-repartition, waggle.s.a'
const ledger = 'ledger-alone:  | waggle.s-accepted-repartition → '
const twoModules = `
  - { name: a, type: module, input: { name: g }, spec: { file: ./m.ts } }
  - { name: b, type: module, input: { name: g }, spec: { file: ./m.ts } }`
const entranceAndModules = [entrance, 'fan-out: a | waggle.s.g → waggle.s.a', 'fan-out: b | waggle.s.g → waggle.s.b']

/** One swarm for each kind of cut. */
const rows: { readonly [Kind in CutKind]: Row } = {
  gateway: {
    yaml: '- { name: a, type: module, input: { name: g }, spec: { file: ./m.ts } }',
    subtopologies: [entranceWithA, ledger],
    reason: 'at the gateway: requests come from the topic waggle.gateway.g',
  },
  join: {
    yaml: `${twoModules}
  - { name: e, type: weighted-average-ensemble, input: { join: [a, b] } }`,
    subtopologies: [...entranceAndModules, 'join: e | waggle.s.a, waggle.s.b → waggle.s.e', ledger],
    reason: 'at a join: e waits for a, b',
  },
  stack: {
    yaml: `
  - { name: h, type: kafka-input, spec: { topic: orders } }
  - { name: a, type: module, input: { stack: [g, h] }, spec: { file: ./m.ts } }`,
    subtopologies: [
      entrance,
      'gateway: h | orders → waggle.s-accepted-repartition, waggle.s.h',
      'stack: a | waggle.s.g, waggle.s.h → waggle.s.a',
      ledger,
    ],
    reason: 'at a stack: a reads g, h without waiting for all of them',
  },
  'fan-out': {
    yaml: twoModules,
    subtopologies: [...entranceAndModules, ledger],
    reason: 'at a fan-out: a, b read g, each at its own pace',
  },
  batch: {
    yaml: `
  - { name: batching, type: batch, input: { name: g }, spec: { batch_size: 2, timeout_seconds: 1 } }
  - { name: a, type: module, input: { name: batching }, spec: { file: ./m.ts } }`,
    subtopologies: [entrance, 'batch: batching, a | waggle.s.g → waggle.s.a', ledger],
    reason: 'before a batch: batching fills a’s batches with waiting records',
  },
  gpu: {
    yaml: '- { name: a, type: module, input: { name: g }, gpu: 1, spec: { file: ./m.ts } }',
    subtopologies: [entrance, 'gpu: a | waggle.s.g → waggle.s.a', ledger],
    reason: 'before a, which needs a GPU',
  },
  sink: {
    yaml: '- { name: save, type: save-to-database, input: { name: g }, spec: { table: t } }',
    subtopologies: [entrance, 'sink: save | waggle.s.g → ', ledger],
    reason: 'before a sink: save may wait without delaying the bees before it',
  },
  'call-behind-state': {
    yaml: `${twoModules}
  - { name: e, type: weighted-average-ensemble, input: { join: [a, b] } }
  - { name: c, type: module, input: { name: e }, spec: { file: ./m.ts } }`,
    subtopologies: [...entranceAndModules, 'join: e | waggle.s.a, waggle.s.b → waggle.s.e', 'call-behind-state: c | waggle.s.e → waggle.s.c', ledger],
    reason: 'before c: an asynchronous step must have no state before it in its sub-topology',
  },
  'call-behind-join': {
    yaml: `${twoModules}
  - { name: c, type: module, input: { join: [a, b] }, spec: { file: ./m.ts } }`,
    subtopologies: [
      ...entranceAndModules,
      'join: c | waggle.s.a, waggle.s.b → waggle.s-c-join-repartition',
      'call-behind-join: c | waggle.s-c-join-repartition → waggle.s.c',
      ledger,
    ],
    reason: 'after the join of c: an asynchronous step must have no state before it in its sub-topology',
  },
  cache: {
    yaml: `
  - { name: keep, type: cache, input: { stack: [g, a] }, spec: { body: a, ttl_seconds: 60 } }
  - { name: a, type: module, input: { name: keep }, spec: { file: ./m.ts } }
  - { name: b, type: module, input: { name: keep }, spec: { file: ./m.ts } }`,
    subtopologies: [
      entrance,
      'stack: keep | waggle.s.g, waggle.s.a → waggle.s-keep-input-repartition',
      'cache: keep | waggle.s-keep-input-repartition → waggle.s.keep',
      'fan-out: a | waggle.s.keep → waggle.s.a',
      'fan-out: b | waggle.s.keep → waggle.s.b',
      ledger,
    ],
    reason: 'the cache of keep, partitioned by the content of its input',
  },
  'output-behind-gateway': {
    yaml: `
  - { name: a, type: module, input: { name: g }, spec: { file: ./m.ts } }
  - { name: out, type: kafka-output, input: { name: a }, spec: { topic: decisions } }`,
    subtopologies: [entranceWithA, 'output-behind-gateway: out | waggle.s.a → decisions', ledger],
    reason: 'after the gateway: out writes only requests that passed deduplication',
  },
  'ledger-behind-gpu': {
    yaml: `
  - { name: a, type: module, input: { name: g }, gpu: 1, spec: { file: ./m.ts } }
  - { name: r, type: respond, input: { name: a } }`,
    subtopologies: [entrance, 'gpu: a | waggle.s.g → waggle.s.a', 'ledger-behind-gpu: r | waggle.s.a, waggle.s-accepted-repartition → waggle.s.r'],
    reason: 'after a sub-topology that needs a GPU: r keeps the ledger, which must run in any process',
  },
  'ledger-behind-gateway': {
    yaml: `
  - { name: a, type: module, input: { name: g }, spec: { file: ./m.ts } }
  - { name: r, type: respond, input: { name: a } }`,
    subtopologies: [entranceWithA, 'ledger-behind-gateway: r | waggle.s.a, waggle.s-accepted-repartition → waggle.s.r'],
    reason: 'after the gateway: r keeps the ledger, which is partitioned by request id',
  },
  stream: {
    yaml: `
  - { name: a, type: module, input: { name: g }, spec: { file: ./m.ts } }
  - { name: counts, type: streams, input: { name: a }, spec: { file: ./c.ts } }`,
    subtopologies: [entranceWithA, 'stream: counts | waggle.s.a → waggle.s.counts', ledger],
    reason: 'before counts: steps of the DSL read a topic',
  },
  'behind-stream': {
    yaml: `
  - { name: counts, type: streams, input: { name: g }, spec: { file: ./c.ts } }
  - { name: a, type: module, input: { name: counts }, spec: { file: ./m.ts } }`,
    subtopologies: [entrance, 'stream: counts | waggle.s.g → waggle.s.counts', 'behind-stream: a | waggle.s.counts → waggle.s.a', ledger],
    reason: 'after counts: results of the DSL go through a topic, by request id',
  },
  'ledger-alone': {
    yaml: '',
    subtopologies: [entrance, ledger],
    reason: 'the ledger of requests, partitioned by request id',
  },
}

function subtopologiesOf(yaml: string): readonly SubtopologyPlan[] {
  const swarm = checkSwarm(SwarmDocument.parse(`name: s\nbees:\n  ${gateway}\n  ${yaml.trim()}\n`, 'swarm.yaml'), new BeeRegistry())
  return planSwarm(swarm, { partitions: 2, retentionMs: 1000, retentionBytes: null, answerPartitions: null }).subtopologies
}

const shown = ({ cut, bees, sources, sinks }: SubtopologyPlan): string =>
  `${cut.kind}: ${bees.join(', ')} | ${sources.join(', ')} → ${sinks.join(', ')}`

describe('The planner', () => {
  for (const kind of cutKinds) {
    it(`makes the cut “${kind}”, and gives a reason for it`, () => {
      const { yaml, subtopologies, reason } = rows[kind]
      const planned = subtopologiesOf(yaml)
      assert.deepEqual(planned.map(shown), subtopologies)
      const reasons = planned.flatMap(({ cut }) => (cut.kind === kind ? [cut.reason] : []))
      assert.ok(reasons.includes(reason), `Reasons of the kind ${kind}: ${reasons.join('; ')}`)
    })
  }
})
