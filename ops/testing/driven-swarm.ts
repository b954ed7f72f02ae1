import { earlyBees } from '../../bees/hosting/early-bees.ts'
import { SwarmHost } from '../../bees/hosting/host.ts'
import { inputOf, outputOf } from '../../bees/hosting/payload-input.ts'
import { redactedHost } from '../../bees/hosting/redacted-host.ts'
import { ProblemError } from '../../connectors/gateway/http/problem.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { LogRecord } from '../../processor/ports.ts'
import { DrivenProgram } from '../../processor/simulation/driven-program.ts'
import type { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import { headerText } from '../../topology/record.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import { gatewayOf, type SwarmBee, topicOf } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { edgePayload, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { planSwarm, type SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { deadLetterBeeHeader, deadLetterCodeHeader, deadLetterDetailHeader } from '../../topology/swarm/request/headers.ts'
import { noReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import { deadLetterTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { swarmFailures } from '../beekeeper/swarm-failures.ts'
import { planSettingsOf } from '../config/settings.ts'
import { localHost } from '../swarms/local-host.ts'
import type { SwarmSource } from '../swarms/swarm-source.ts'
import type { MemoryDatabase } from './memory-database.ts'
import { type Answer, answerOf, refusalOf, type TestRequest, TestRequests } from './test-requests.ts'

/** A dead letter in a test: the bee that failed, the error, the request and the input. */
export interface DeadLetterSeen {
  readonly bee: string
  readonly error: WaggleError
  readonly requestId: string
  readonly input: unknown
}

/** A whole swarm on a simulated clock. Tasks and bees are real; the log and the database are in memory. */
export class DrivenSwarm {
  readonly #plan: SwarmPlan
  readonly #program: DrivenProgram
  readonly #requests: TestRequests
  /** The requests by id, each with the promise of its answer. */
  readonly #asked = new Map<string, { readonly bodyHash: string; readonly answer: PromiseWithResolvers<Answer> }>()
  readonly #outputs: Map<string, unknown[]>
  readonly #letters: DeadLetterSeen[] = []

  private constructor(plan: SwarmPlan, clock: SimulatedClock, outputs: Map<string, unknown[]>, topology: ReturnType<typeof swarmTopology>) {
    this.#plan = plan
    this.#outputs = outputs
    this.#requests = new TestRequests(clock)
    this.#program = new DrivenProgram(
      topology,
      { applicationId: plan.applicationId },
      { clock, failures: swarmFailures(plan.swarm), onSent: (topic, record) => this.#sent(topic, record) },
    )
  }

  static async open(
    source: SwarmSource,
    { clock, database }: { readonly clock: SimulatedClock; readonly database: MemoryDatabase },
  ): Promise<DrivenSwarm> {
    const { settings } = source.config
    const hostFor = (bees: readonly SwarmBee[]) => localHost(source, { bees, database, clock, log: () => {} })
    const early = await earlyBees(hostFor(source.swarm.bees).options, source.swarm.document)
    const plan = planSwarm({ ...source.swarm, bees: early.bees }, planSettingsOf({ ...settings, log: 'embedded' }))
    const { options, redactions } = hostFor(plan.bees)
    const host = redactedHost(await SwarmHost.create({ ...options, made: early.made }), redactions)
    const outputs = new Map<string, unknown[]>(plan.bees.map(({ name }) => [name, []]))
    const topology = swarmTopology(plan, withEagerSinks(host), {
      answersRetentionMs: settings.answers_retention_seconds * 1000,
      duplicateRetentionMs: null,
      predictions: null,
      replyTopics: noReplyTopics,
      onOutput: (bee, output) => outputs.get(bee)?.push(inputOf(output)),
    })
    return new DrivenSwarm(plan, clock, outputs, topology)
  }

  async request(
    payload: unknown,
    { gateway, headers = {} }: { readonly gateway: string; readonly headers?: { readonly [name: string]: string } },
  ): Promise<Answer> {
    const entrance = this.#plan.bees.find((bee) => bee.type.role === 'gateway' && gatewayOf(bee) === gateway)
    if (entrance === undefined)
      return refusalOf(this.#requests.freshId(), new ProblemError('WAGGLE_UNKNOWN_GATEWAY', `There is no gateway ${gateway}`))
    let made: TestRequest
    try {
      made = this.#requests.made(gateway, payload, headers)
    } catch (thrown) {
      if (thrown instanceof ProblemError) return refusalOf(this.#requests.freshId(), thrown)
      throw thrown
    }
    const known = this.#asked.get(made.id)
    if (known !== undefined) {
      if (known.bodyHash === made.bodyHash) return known.answer.promise
      return refusalOf(made.id, new ProblemError('WAGGLE_KEY_REUSED', 'This idempotency key came before with another body'))
    }
    const answer = Promise.withResolvers<Answer>()
    this.#asked.set(made.id, { bodyHash: made.bodyHash, answer })
    const given = edgePayload(made.bytes, made.headers)
    if (given.kind !== 'error') this.#outputs.get(entrance.name)?.push(inputOf(given))
    const topic = topicOf(entrance) ?? this.#plan.gateways.find((one) => one.gateway === gateway)?.topic ?? ''
    const settled = this.#program.pipe({
      topic,
      key: Buffer.from(made.id),
      value: made.bytes,
      headers: made.headers,
      timestamp: this.#program.now(),
    })
    // A swarm without a respond bee only confirms that it has the input, as for `submit`.
    if (this.#plan.outcomesTopic === null) answer.resolve(settled.then(() => ({ status: 202, requestId: made.id, body: { request_id: made.id } })))
    // If the program fails, its requests fail too.
    settled.catch((thrown: unknown) => answer.reject(thrown))
    const outcome = await answer.promise
    // The request may have further steps, such as a row for the database. They end too before the answer is returned. The wait has a limit, because a
    // call may wait for the simulated clock.
    await within(longestQuietMs, settled)
    return outcome
  }

  /** Moves the clock in small steps, so that timers run in the order of their due times. */
  async advance(ms: number): Promise<void> {
    for (let left = ms, gone = 0; ; ) {
      const step = Math.min(left, Math.max(smallestStepMs, Math.ceil(gone / 100)))
      await within(longestCallMs, this.#program.advance(step))
      left -= step
      gone += step
      if (left <= 0) return
    }
  }

  published(bee: string): readonly unknown[] | null {
    return this.#outputs.get(bee) ?? null
  }

  get bees(): readonly string[] {
    return [...this.#outputs.keys()]
  }

  get deadLetters(): readonly DeadLetterSeen[] {
    return this.#letters
  }

  close(): Promise<void> {
    return this.#program.close()
  }

  #sent(topic: string, { key, value, headers }: LogRecord): void {
    const { swarm, outcomesTopic, bees } = this.#plan
    const id = key === null ? '' : Buffer.from(key).toString()
    const read = () => payloadSerde.deserialize(topic, value as Uint8Array, headers)
    if (topic === deadLetterTopic(swarm)) this.#letters.push(letterOf(id, read(), headers))
    else if (topic === outcomesTopic) this.#answered(id, read())
    else {
      const writer = bees.find((bee) => bee.type.role === 'output' && topicOf(bee) === topic)
      if (writer !== undefined) this.#outputs.get(writer.name)?.push(outputOf(read()))
    }
  }

  #answered(id: string, outcome: Payload): void {
    const respond = this.#plan.bees.find(({ type }) => type.role === 'respond')
    if (outcome.kind !== 'error') this.#outputs.get(respond?.name ?? '')?.push(inputOf(outcome))
    this.#asked.get(id)?.answer.resolve(answerOf(id, outcome))
  }
}

/** Waits for work, and for `limitMs` of real time at most, because a call of the work may wait for the simulated clock. */
async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = systemClock.after(limitMs, resolve)
  // A failure after the limit reaches the requests, which wait for the same program.
  work.catch(() => {})
  try {
    await Promise.race([work, promise])
  } finally {
    cancel()
  }
}

/** A host whose sinks write each row at once, so that a test sees the row without moving the clock. */
function withEagerSinks(host: BeeHost): BeeHost {
  return {
    open: (bee, batchSize) => host.open(bee, batchSize),
    valueOf: (bee) => host.valueOf(bee),
    streamOf: (bee) => host.streamOf(bee),
    batchOf: (bee) => {
      const policy = host.batchOf(bee)
      return policy === null || bee.type.role !== 'sink' ? policy : { ...policy, timeoutMs: 0, release: 'idle' }
    },
  }
}

function letterOf(requestId: string, input: Payload, headers: LogRecord['headers']): DeadLetterSeen {
  const text = (key: string) => headerText(headers, key) ?? ''
  const error = new WaggleError(text(deadLetterCodeHeader) as WaggleError['code'], {
    message: text(deadLetterDetailHeader),
    next: 'Correct the bee, or send another input.',
  })
  return { bee: text(deadLetterBeeHeader), error, requestId, input: inputOf(input) }
}

/**
 * The length, in ms, of the first steps of the clock. Later steps are a hundredth of the time that has passed, so that a day takes about a thousand
 * steps.
 */
const smallestStepMs = 100
const longestQuietMs = 100
/** The time for calls that begin while the clock moves, in ms. A model may take some seconds, and a call that hangs never ends. */
const longestCallMs = 5_000
