import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { BeePorts } from '../../bees/define-bee.ts'
import type { BeeActivity } from '../../bees/hosting/bee-calls.ts'
import type { BeeState } from '../../bees/hosting/bee-states.ts'
import { claimedHost } from '../../bees/hosting/claimed-host.ts'
import { earlyBees } from '../../bees/hosting/early-bees.ts'
import { SwarmHost } from '../../bees/hosting/host.ts'
import type { HostOptions } from '../../bees/hosting/host-options.ts'
import { redactedHost, redactedModel } from '../../bees/hosting/redacted-host.ts'
import { unreadSettings } from '../../bees/hosting/unread-settings.ts'
import type { BeeRegistry } from '../../bees/registry.ts'
import type { RemoteModels } from '../../connectors/objects/remote-models.ts'
import { schemaRegistry } from '../../connectors/schema-registry/schema-registry.ts'
import { Application } from '../../processor/application/application.ts'
import type { KillingRecordSearch } from '../../processor/async/killing-record-search.ts'
import type { Clock, Log, Producer, Random, StateDirectory } from '../../processor/ports.ts'
import { PartLog } from '../../processor/swarm/part-log.ts'
import { type GraphSettings, swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import { type SynchronousMeters, type SynchronousRows, synchronousRows } from '../../processor/swarm/synchronous-meters.ts'
import { beeCapability, type Capabilities } from '../../topology/capabilities.ts'
import { decorated } from '../../topology/decorated.ts'
import type { FailureListener } from '../../topology/failed-record.ts'
import type { Topology } from '../../topology/graph.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import { type CheckedSwarm, feederOf, readersIn, type SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { EdgeTypes } from '../../topology/swarm/inference-models.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { type PredictionRecord, predictionSchema, predictionSerde } from '../../topology/swarm/payload/prediction-serde.ts'
import { ledgerStore, planSwarm, type SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { predictionTopics } from '../../topology/swarm/plan/prediction-topics.ts'
import { withStreamSteps } from '../../topology/swarm/plan/stream-steps.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { RequestEntry } from '../../topology/swarm/request/requests.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { TopicSpec } from '../../topology/topic.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Config } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { ModelPlaces } from '../config/model-places.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { EngineLines } from '../process-log/engine-lines.ts'
import type { FailureLines } from '../process-log/failure-lines.ts'
import type { LogLevel, LogLine } from '../process-log/log-line.ts'
import type { GatewayTarget } from '../requests/gateway-targets.ts'
import { KnownReplyTopics } from '../requests/known-reply-topics.ts'
import type { OutcomeTopic, SwarmEntrance } from '../requests/swarm-requests.ts'
import { restoreProgress } from './restore-progress.ts'
import { swarmFailures } from './swarm-failures.ts'
import { swarmSecrets } from './swarm-secrets.ts'

/** A swarm, its bee types, and the settings beside its file. */
export interface ConfiguredSwarm {
  readonly swarm: CheckedSwarm
  readonly registry: BeeRegistry
  readonly config: Config
  /** The directory to which paths are relative. Default: the directory of the swarm's file. */
  readonly directory?: string
  /**
   * The directory that must contain the swarm's files. Files outside are refused, unless the `resolve:` map or a package names them. Default: every
   * file is allowed.
   */
  readonly within?: string
}

export interface RunningSwarmOptions extends ConfiguredSwarm {
  readonly ports: BeePorts
  readonly models: RemoteModels
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** The producer of the parts that bees publish. All swarms of the process share it. */
  readonly partProducer: () => Promise<Producer>
  readonly killingRecordSearch: KillingRecordSearch
  /** The directory of the stores; null for a log that keeps state itself. */
  readonly states: StateDirectory | null
  readonly say: LogLine
  /** True if log lines of a module are shown. Callers ask before they build a line at a cost. */
  readonly shows: (module: string, level: LogLevel, swarm: string) => boolean
  /** Records spans. Undefined: no spans are recorded. */
  readonly tracing?: Tracing
  /** The large payloads of the process; null if all payloads travel in the log. */
  readonly claims: Claims | null
  readonly failures: FailureLines
  readonly onOpened: (bee: string) => void
}

/** One swarm of this process: its plan, and the application that runs the plan. */
export class RunningSwarm {
  readonly plan: SwarmPlan
  /** The plan with the stores and topics of the steps inside bees of the DSL. */
  readonly planWithSteps: SwarmPlan
  readonly application: Application
  readonly topology: Topology
  /** The numbers of results, refusals and failures of each bee that computes in the stream thread. */
  readonly synchronousMeters: SynchronousMeters
  /** The parts that bees of this process have published, by bee. */
  readonly publishedParts: PartLog['published']
  readonly #payloads: HandingSerde<Payload>
  #hasRun = false
  #entrance: SwarmEntrance | null = null
  readonly #lastFailure: () => WaggleError | null
  readonly #host: SwarmHost
  readonly #redaction: Redaction
  readonly #models: RemoteModels

  private constructor(
    plan: SwarmPlan,
    planWithSteps: SwarmPlan,
    topology: Topology,
    application: Application,
    payloads: HandingSerde<Payload>,
    lastFailure: () => WaggleError | null,
    host: SwarmHost,
    models: RemoteModels,
    redaction: Redaction,
    synchronousMeters: SynchronousMeters,
    publishedParts: PartLog['published'],
  ) {
    this.publishedParts = publishedParts
    this.synchronousMeters = synchronousMeters
    this.plan = plan
    this.planWithSteps = planWithSteps
    this.topology = topology
    this.application = application
    this.#payloads = payloads
    this.#lastFailure = lastFailure
    this.#host = host
    this.#redaction = redaction
    this.#models = models
    application.onStateChange((to) => {
      if (to === 'RUNNING') this.#hasRun = true
    })
  }

  /**
   * The reason why this swarm answers no requests now; null while it answers requests. The swarm stays ready while tasks move between processes,
   * because requests wait in the log meanwhile.
   */
  get notReady(): string | null {
    const { state, threads } = this.application
    if (state !== 'RUNNING' && !(state === 'REBALANCING' && this.#hasRun)) {
      const { waitingFor } = this.#models
      return `${this.plan.swarm} is ${state}${waitingFor === null ? '' : `: ${waitingFor}`}`
    }
    const { uncommittedMs } = threads
    if (uncommittedMs < maxUncommittedMs) return null
    const cause = this.#lastFailure()
    return `${this.plan.swarm} has committed nothing for ${Math.floor(uncommittedMs / 1000)} s${cause === null ? '' : `: ${cause.message}`}`
  }

  /** Plans the swarm and creates its application. Nothing runs before `application.start()`. */
  static async prepare({
    swarm,
    config,
    registry,
    ports,
    models,
    log,
    clock,
    random,
    partProducer,
    killingRecordSearch,
    states,
    failures,
    shows,
    tracing,
    claims,
    onOpened,
    directory = dirname(swarm.document.file),
    within,
    ...options
  }: RunningSwarmOptions): Promise<RunningSwarm> {
    const { settings } = config
    // A secret may have been set after the process started. The log of the process hides only the secrets of its start.
    const redaction = new Redaction(hiddenValues(config))
    const say: LogLine = (module, level, message, fields) =>
      options.say(module, level, redaction.text(message), { ...redaction.fields(fields), swarm: swarm.name })
    const onRecordFailure: FailureListener = (error, record) => failures.recordFailed(swarm.name, error, record)
    const places = new ModelPlaces({
      resolve: config.resolve,
      directory,
      remote: models,
      mayFetch: true,
      ...(within === undefined ? {} : { within }),
    })
    const optionsFor = (bees: readonly SwarmBee[]): HostOptions => ({
      swarm: swarm.name,
      registry,
      ports,
      bees,
      ...swarmSecrets(swarm, bees, config).host,
      now: () => clock.now(),
      after: (ms, act) => clock.after(ms, act),
      resolve: (uri, kind, fetch) => places.path(uri, kind, fetch),
      resolveCommand: (image) => config.resolve.command(image),
      ...(tracing === undefined ? {} : { tracing }),
      log: say,
    })
    for (const { bee, warning } of unreadSettings(swarm, registry)) say(bee, 'warn', `${warning.place}: ${warning.message}. ${warning.next}`)
    const early = await earlyBees(optionsFor(swarm.bees), swarm.document)
    const plan = planSwarm({ ...swarm, bees: early.bees }, planSettingsOf(settings))
    const { bees } = plan
    const secrets = swarmSecrets(swarm, bees, config)
    const partsTopic = plan.topics.find(({ name }) => name === plan.partsTopic)
    const parts =
      partsTopic &&
      new PartLog({
        log,
        clock,
        random,
        topic: partsTopic.name,
        partitions: partsTopic.partitions,
        gateways: new Set(plan.gateways.map(({ gateway }) => gateway)),
        producer: partProducer,
      })
    const host = await SwarmHost.create({
      ...optionsFor(bees),
      ...secrets.host,
      made: early.made,
      ...(parts === undefined ? {} : { parts }),
      redactPart: (bee, part) => secrets.redactions.resultsOf(bee)?.payload(part) ?? part,
    })
    const predictions = predictionsOf(swarm.name, bees, settings.schema_registry_url)
    const own = new Map(plan.repliesTopic === null ? [] : [[plan.repliesTopic, settings.answer_partitions]])
    const replyTopics = new KnownReplyTopics({ log, clock, allowed: settings.reply_topics, own })
    const synchronousMeters = new Map<string, SynchronousRows>()
    const redacted = redactedHost(host, secrets.redactions)
    const graph = swarmTopology(plan, claims === null ? redacted : claimedHost(redacted, claims), {
      answersRetentionMs: settings.answers_retention_seconds * 1000,
      duplicateRetentionMs: log.traits.repeatsRecords ? settings.duplicate_retention_seconds * 1000 : null,
      predictions,
      replyTopics,
      placesBees: states !== null,
      ...(tracing === undefined ? {} : { beginTrace: (record) => tracing.accepted(record), recordCall: (call) => tracing.called(call) }),
      ...(claims === null ? {} : { claims }),
      // The embedded log takes a record of any size. A broker would refuse it, and nobody would know which bee made it.
      ...(claims === null || settings.log === 'embedded' ? {} : { maxResultBytes: claims.maxInlineBytes }),
      onFailure: onRecordFailure,
      synchronousRows: (bee) => {
        const rows = synchronousMeters.get(bee) ?? synchronousRows()
        synchronousMeters.set(bee, rows)
        return rows
      },
    })
    // Steps of the DSL may add topics. `decorated` puts the application's id in front of the names of these topics.
    const topology = decorated(graph, plan.applicationId, { key: null, value: null, timestampExtractor: null })
    let lastFailure: WaggleError | null = null
    const engine = new EngineLines({ swarm: swarm.name, say: options.say, shows })
    const application = new Application({
      applicationId: plan.applicationId,
      topology,
      log,
      clock,
      topics: ownTopics(plan),
      // On the embedded log, only the application can create topics.
      ...(settings.log === 'embedded' ? { missingTopicPartitions: settings.partitions } : {}),
      ...(states === null ? {} : { states, spread: { capabilities: capabilitiesOf(plan, settings), instanceId: settings.instance } }),
      namedTopics: replyTopics.named,
      commitIntervalMs: settings.commit_interval_ms,
      // With exactly_once the next bee reads only committed records, so the application commits as soon as it is idle.
      commitsWhenIdle: states !== null && settings.processing === 'exactly_once',
      // The state of a request is needed while the request is in flight, so the cache need not be large. Later reads may go to the disk.
      maxCachedEntries: 512,
      onOpened,
      failures: swarmFailures(swarm.name, onRecordFailure),
      killingRecordSearch,
      onFailure: (error) => {
        lastFailure = error
        if (error.code === 'WAGGLE_MISSING_TOPIC') void replyTopics.lookAgain().catch(() => {})
        failures.failed(withAdvice(error), { module: '', swarm: swarm.name })
      },
      listeners: { restore: [restoreProgress(clock, (line) => say('', 'info', line)), engine.restores] },
      onEvent: engine.took,
      onNotice: (notice) => say('', 'warn', notice),
    })
    application.onStateChange((to, from) => engine.changed(from, to))
    if (states !== null) reportBeesElsewhere(plan, settings, say)
    return new RunningSwarm(
      plan,
      withStreamSteps(plan, graph),
      topology,
      application,
      predictions?.serde ?? payloadSerde,
      () => lastFailure,
      host,
      models,
      secrets.redactions.errors,
      synchronousMeters,
      parts?.published ?? new Map(),
    )
  }

  /** The gateways of this swarm, and the topics of its outcomes. Every call returns the same object. */
  get entrance(): SwarmEntrance {
    this.#entrance ??= { targets: this.targets, outcomes: this.outcomes }
    return this.#entrance
  }

  /** The calls of the swarm's bees in this process since `takeActivity` was last called. */
  takeActivity(): BeeActivity {
    return this.#host.calls.takeActivity()
  }

  /** The models of the swarm's bees in this process. */
  get models(): SwarmHost['models'] {
    return this.#host.models.map(({ model, ...bee }) => ({ ...bee, model: redactedModel(model, this.#redaction) }))
  }

  /** The state of one bee in this process. */
  stateOf(bee: string): BeeState {
    return this.#host.states.of(bee)
  }

  /** The counts of the replicas of the swarm's bees in this process. */
  get replicas(): SwarmHost['replicas'] {
    return this.#host.replicas
  }

  /** An input for the first bee after the gateway, as JSON; null if there is none. */
  exampleInput(gateway: string): unknown {
    const { gateways, bees } = this.plan
    const entrance = gateways.find((one) => one.gateway === gateway)?.bee
    const readersOf = (name: string | undefined) =>
      bees.filter(({ input }) => input !== null && input.kind !== 'join' && input.bees.some((bee) => bee === name))
    const readers = readersOf(entrance).flatMap((bee) => (bee.type.role === 'batch' ? readersOf(bee.name) : [bee]))
    return readers.map(({ name }) => this.#host.exampleInput(name)).find((input) => input !== null) ?? null
  }

  /** The types at the edges of the swarm: the first known input type of a bee behind the gateway, and the type of the answer. */
  async edgeTypes(gateway: string): Promise<EdgeTypes> {
    const { gateways, bees } = this.plan
    const entrance = gateways.find((one) => one.gateway === gateway)?.bee
    let input: PayloadType | null = null
    for (const reader of entrance === undefined ? [] : readersIn(bees)(entrance)) {
      // After a join, the value of the gateway is only a part of the bee's input.
      if (reader.input?.kind !== 'join') input ??= (await this.#host.typesOf(reader)).input
    }
    const respond = bees.find(({ type }) => type.role === 'respond')
    const last = respond?.input?.kind === 'name' ? feederOf({ bees }, respond.input.bees[0] ?? '') : undefined
    return { input, output: last === undefined ? null : (await this.#host.typesOf(last)).output }
  }

  /** The time at which a request was accepted; null if the ledger does not know the request, or if the ledger may be in another process. */
  acceptedAt(id: string): number | null {
    return this.ledgerEntry(id)?.acceptedAt ?? null
  }

  /** The entry of a request in the ledger; null if the ledger does not know the request. Undefined if the ledger may be in another process. */
  ledgerEntry(id: string): RequestEntry | null | undefined {
    if (this.plan.repliesTopic !== null) return undefined
    return this.application.stores.committed<string, RequestEntry>(ledgerStore, id)
  }

  get targets(): readonly GatewayTarget[] {
    const { repliesTopic, acceptedTopic, gateways } = this.plan
    const answers = repliesTopic === null ? null : { topic: repliesTopic, partitions: this.#partitions(repliesTopic) }
    return gateways.map(({ gateway, topic }) => ({
      gateway,
      topic,
      partitions: this.#partitions(topic),
      application: this.application,
      notReady: () => this.notReady,
      ledgerStore,
      acceptedTopic,
      answers,
    }))
  }

  /** The number of bees that this process opens. */
  get bees(): number {
    return this.application.nodesHere.filter(({ kind }) => kind === 'async').length
  }

  get outcomes(): readonly OutcomeTopic[] {
    const { outcomesTopic } = this.plan
    return outcomesTopic === null ? [] : [{ topic: outcomesTopic, partitions: this.#partitions(outcomesTopic), payloads: this.#payloads }]
  }

  #partitions(topic: string): number {
    return this.plan.topics.find(({ name }) => name === topic)?.partitions ?? 1
  }
}

/** Adds advice to an error about a missing GPU. The engine, which made the error, does not know that a swarm can also run without a GPU. */
function withAdvice(error: WaggleError): WaggleError {
  const { code, message, next, cause } = error
  if (code !== 'WAGGLE_NO_CAPABLE_PROCESS' || !/gpu: /.test(message)) return error
  return new WaggleError(code, { message, next: `${next} Or set WAGGLE_GPU=prefer, and it runs on the CPU.`, cause })
}

/** A swarm with uncommitted work is not ready if its last commit is older than this. */
const maxUncommittedMs = 10_000

export function ownTopics({ topics }: SwarmPlan): readonly TopicSpec[] {
  return topics.filter(({ isForeign }) => !isForeign)
}

/** The number of GPUs on this machine. With `gpu: prefer` a machine without GPUs also counts as capable. */
function gpusHere({ gpu, gpus }: Settings): number {
  if (gpu === 'prefer') return Number.MAX_SAFE_INTEGER
  if (gpus !== null) return gpus
  try {
    return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name)).length
  } catch {
    return 0
  }
}

/** Logs which bees run in other processes, and why. */
function reportBeesElsewhere({ swarm, bees }: SwarmPlan, settings: Settings, say: LogLine): void {
  const here = gpusHere(settings)
  for (const { name, gpu, type } of bees) {
    if (gpu > here) say(name, 'info', `needs gpu: ${gpu}, and there is ${here} here: it runs in processes that have it`)
    else if (type.role === 'call' && !isHere(swarm, name, settings)) say(name, 'info', 'WAGGLE_BEES does not name it: it runs in other processes')
  }
}

/** The GPUs of this process, and the bees that it may run. */
function capabilitiesOf({ swarm, bees }: SwarmPlan, settings: Settings): Capabilities {
  const here = bees.filter(({ name }) => isHere(swarm, name, settings))
  return { gpu: gpusHere(settings), ...Object.fromEntries(here.map(({ name }) => [beeCapability(name), 1])) }
}

function isHere(swarm: string, bee: string, { bees }: Settings): boolean {
  const names = bees?.split(',') ?? null
  return names === null || names.includes(bee) || names.includes(`${swarm}/${bee}`)
}

/** The Avro encoding of predictions; null without a schema registry, which means that predictions are JSON. */
function predictionsOf(swarm: string, bees: readonly SwarmBee[], url: string | null): GraphSettings['predictions'] {
  if (url === null) return null
  const topics = predictionTopics(swarm, bees)
  const avro = schemaRegistry({ url }).avro<PredictionRecord>({ schema: predictionSchema })
  return { topics, serde: predictionSerde(avro, topics) }
}
