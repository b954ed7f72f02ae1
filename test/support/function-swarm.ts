import { Type } from 'typebox'
import { type BeePorts, type BeeRequest, defineBee } from '../../bees/define-bee.ts'
import { SwarmHost } from '../../bees/hosting/host.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { ownTopics } from '../../ops/beekeeper/running-swarm.ts'
import { swarmFailures } from '../../ops/beekeeper/swarm-failures.ts'
import { ClusterRequests } from '../../ops/requests/cluster-requests.ts'
import { EmbeddedRequests } from '../../ops/requests/embedded-requests.ts'
import { KnownReplyTopics } from '../../ops/requests/known-reply-topics.ts'
import { Application } from '../../processor/application/application.ts'
import type { Clock, Log, Random, StateDirectory } from '../../processor/ports.ts'
import { PartLog } from '../../processor/swarm/part-log.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import type { FailureListener } from '../../topology/failed-record.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { ledgerStore, planSwarm } from '../../topology/swarm/plan/plan.ts'
import type { Database } from '../../topology/swarm/ports/database.ts'
import type { Requests } from '../../topology/swarm/request/requests.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import type { SimulatedWorld } from './simulated-world.ts'

/** The rows of a table outside the log, and for each row, by its identity, the number of writes. */
export type Rows = Map<string, number>

/** The functions of the bees of type `function`, by bee. */
export type Functions = { readonly [bee: string]: (input: unknown, request: BeeRequest) => unknown }

export interface FunctionSwarm {
  readonly application: Application
  readonly requests: Requests
  /** The requests of other processes. Each process waits for its own answers, through a topic. */
  readonly others: readonly Requests[]
  readonly failures: readonly Error[]
  /** The failures of records: `code node request-id task topic offset`. */
  readonly failedRecords: readonly string[]
  close(): Promise<void>
}

export interface FunctionSwarmOptions {
  /** The value of `WAGGLE_REPLY_TOPICS`. */
  readonly replyTopics?: string
  /** The number of partitions of the answers topic; undefined if only one process has gateways. */
  readonly answerPartitions?: number
  /** The number of gateways of other processes. They use another random source. */
  readonly otherGateways?: number
  readonly commitIntervalMs?: number
  /** The bound of results of synchronous bees, in bytes. Default: no bound. */
  readonly maxResultBytes?: number
  /** The number of partitions of each topic, and therefore of tasks of each sub-topology. Default: 2. */
  readonly partitions?: number
  /** The database. With a database, there is also the bee type `save-to-database`. */
  readonly database?: Database
  /** The state directory, on a log that keeps no state. */
  readonly states?: StateDirectory
  /** The values of `WAGGLE_ANSWERS_RETENTION_SECONDS` and `WAGGLE_DUPLICATE_RETENTION_SECONDS`, in ms. */
  readonly answersRetentionMs?: number
  readonly duplicateRetentionMs?: number
}

/**
 * Starts a swarm of plain functions on any log. `function`: a bee that returns its function's result. `answering`: a bee whose function may return
 * `Responded`. `talking`: a bee whose function is an async generator of parts. `rows`: a sink that writes to `rows`.
 */
export async function startSwarm(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  log: Log,
  yaml: string,
  functions: Functions,
  rows: Rows,
  options: FunctionSwarmOptions = {},
): Promise<FunctionSwarm> {
  const answerPartitions = options.answerPartitions ?? null
  const partitions = options.partitions ?? 2
  const builtIn = new BeeRegistry().types.filter(({ role }) => (role !== 'sink' || options.database !== undefined) && role !== 'call')
  const call = defineBee({
    type: 'function',
    summary: 'A function of the test.',
    delivery: 'As the engine’s.',
    spec: Type.Object({}, { additionalProperties: false }),
    create: ({ bee }) => ({ process: async (input: unknown, request: BeeRequest) => functions[bee]?.(input, request) ?? null }),
  })
  const answering = defineBee({ ...call.definition, type: 'answering', mayAnswer: true })
  const talking = defineBee({ ...call.definition, type: 'talking', givesParts: true })
  const sink = defineBee({
    type: 'rows',
    role: 'sink',
    summary: 'Rows in memory.',
    delivery: 'As the engine’s.',
    spec: Type.Object({}, { additionalProperties: false }),
    batch: () => ({ size: 100, timeoutMs: 100, release: 'full' }),
    create: () => ({
      async processBatch(inputs: readonly unknown[], requests: readonly BeeRequest[]) {
        for (const { id, source } of requests) rows.set(`${source.bee}/${id}`, (rows.get(`${source.bee}/${id}`) ?? 0) + 1)
        return inputs.map(() => null)
      },
    }),
  })
  const registry = new BeeRegistry([...builtIn, call, answering, talking, sink])
  const plan = planSwarm(checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), registry), {
    partitions,
    retentionMs: 86_400_000,
    retentionBytes: null,
    answerPartitions,
  })
  const partsTopic = plan.topics.find(({ name }) => name === plan.partsTopic)
  const gateways = new Set(plan.gateways.map(({ gateway }) => gateway))
  const parts = partsTopic && new PartLog({ log, clock, random, topic: partsTopic.name, partitions, gateways, producer: () => log.producer() })
  const host = await SwarmHost.create({
    ...(parts === undefined ? {} : { parts }),
    swarm: plan.swarm,
    registry,
    ports: { database: options.database } as BeePorts,
    bees: plan.bees,
    specOf: ({ spec }) => spec,
    fileAndLineOf: () => 'swarm.yaml:1:1',
    now: () => clock.now(),
    after: (ms, act) => clock.after(ms, act),
    resolve: async (uri) => uri,
    resolveCommand: () => null,
    log: () => {},
  })
  const failures: Error[] = []
  const failedRecords: string[] = []
  const recordFailed: FailureListener = ({ code }, { key, node, taskId, topic, offset }) =>
    failedRecords.push(`${code} ${node} ${key} ${taskId} ${topic === '' ? '-' : `${topic} ${offset}`}`)
  const own = new Map(plan.repliesTopic === null ? [] : [[plan.repliesTopic, answerPartitions ?? 0]])
  const replyTopics = new KnownReplyTopics({ log, clock, allowed: options.replyTopics ?? null, own })
  const application = new Application({
    applicationId: plan.applicationId,
    topology: swarmTopology(plan, host, {
      answersRetentionMs: options.answersRetentionMs ?? 86_400_000,
      ...(options.maxResultBytes === undefined ? {} : { maxResultBytes: options.maxResultBytes }),
      duplicateRetentionMs: log.traits.repeatsRecords ? (options.duplicateRetentionMs ?? 3_600_000) : null,
      predictions: null,
      replyTopics,
      onFailure: recordFailed,
    }),
    log,
    clock,
    topics: ownTopics(plan),
    missingTopicPartitions: partitions,
    ...(options.states === undefined ? {} : { states: options.states }),
    namedTopics: replyTopics.named,
    failures: swarmFailures(plan.swarm, recordFailed),
    ...(options.commitIntervalMs === undefined ? {} : { commitIntervalMs: options.commitIntervalMs }),
    onFailure: (error) => failures.push(error),
  })
  const answers = plan.repliesTopic === null ? null : { topic: plan.repliesTopic, partitions: answerPartitions ?? 0 }
  const targets = plan.gateways.map(({ gateway, topic }) => ({
    gateway,
    topic,
    partitions,
    application,
    notReady: () => (application.state === 'RUNNING' ? null : application.state),
    ledgerStore,
    acceptedTopic: plan.acceptedTopic,
    answers,
  }))
  const common = { log, clock, targets, maxPending: 10_000 }
  const outcomes = plan.outcomesTopic === null ? [] : [{ topic: plan.outcomesTopic, partitions, payloads: payloadSerde }]
  const cluster = () => new ClusterRequests({ ...common, random, onError: (error) => failures.push(error as Error) })
  const requests = answers === null ? new EmbeddedRequests({ ...common, outcomes }) : cluster()
  const others = Array.from({ length: options.otherGateways ?? 0 }, cluster)
  await log.createTopics(ownTopics(plan))
  for (const one of [requests, ...others]) await one.start()
  await application.start()
  return {
    application,
    requests,
    others,
    failures,
    failedRecords,
    async close() {
      await application.close({ timeoutMs: 10_000 })
      for (const one of [requests, ...others]) await one.close()
      await log.close()
    },
  }
}

export function newRequest(id: string, options: { readonly deadline?: number; readonly body?: unknown; readonly bodyHash?: string } = {}) {
  return {
    gateway: 'door',
    id,
    body: Buffer.from(JSON.stringify(options.body ?? { id })),
    contentType: 'application/json',
    deadline: options.deadline ?? null,
    bodyHash: options.bodyHash ?? '',
    traceparent: null,
  }
}

/** The shape of the teddy swarm: three models in parallel, whose results are joined, answered, and each saved. */
export const threeModels = `
name: three
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: prepare, type: function, input: {name: entrance}}
  - {name: batching, type: batch, input: {name: prepare}, spec: {batch_size: 4, timeout_seconds: 0.05}}
  - {name: a, type: function, input: {name: batching}}
  - {name: b, type: function, input: {name: batching}}
  - {name: c, type: function, input: {name: batching}}
  - {name: together, type: weighted-average-ensemble, input: {join: [a, b, c]}, timeout_seconds: 20}
  - {name: answer, type: respond, input: {name: together}}
  - {name: save, type: rows, input: {stack: [a, b, c]}}
`

const scores: { readonly [bee: string]: { readonly x: number; readonly y: number } } = { a: { x: 1, y: 0 }, b: { x: 0.5, y: 0.5 }, c: { x: 0, y: 1 } }

/** Three models that take up to `maxMs` of simulated time. */
export function predictionsOf(world: SimulatedWorld, maxMs = 40): Functions {
  const predict = (bee: string) => async () => {
    await new Promise<void>((resolve) => void world.clock.after(world.random.next() * maxMs, resolve))
    return { label: bee, scores: scores[bee] }
  }
  return { prepare: (input) => input, a: predict('a'), b: predict('b'), c: predict('c') }
}
