import type { Clock, Random } from '../../../../processor/ports.ts'
import { backOffMs } from './back-off.ts'
import { BrokerError, errorName, isPassing, toWaggleError } from './broker-error.ts'
import type { Broker, Lane } from './connections.ts'
import type { At, KafkaClient } from './kafka-client.ts'

export interface ClusterOptions {
  readonly brokers: readonly Broker[]
  readonly client: KafkaClient
  readonly clock: Clock
  readonly random: Random
}

interface Leader {
  readonly node: number
  readonly epoch: number
  readonly replicas: number
}

/** A cache of the cluster's state: the leader of each partition, and the coordinator of each group and transaction. */
export class Cluster {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly #random: Random
  readonly #bootstrap: readonly Broker[]
  readonly #nodes = new Map<number, Broker>()
  readonly #leaders = new Map<string, readonly (Leader | null)[]>()
  readonly #topicIds = new Map<string, string>()
  readonly #topicErrors = new Map<string, string>()
  /** Topics that brokers knew before and no longer know: the time when each went missing, and its last number of partitions. */
  readonly #missing = new Map<string, { readonly sinceMs: number; readonly partitions: number }>()
  readonly #coordinators = new Map<string, Broker>()
  readonly #wanted = new Set<string>()
  #controller = -1
  #refreshing: { readonly asked: ReadonlySet<string>; readonly done: Promise<void> } | null = null
  #asks = 0
  #recreated = 0
  #closed = false

  constructor({ brokers, client, clock, random }: ClusterOptions) {
    this.#bootstrap = brokers
    this.client = client
    this.clock = clock
    this.#random = random
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The leader; null if none is known. The caller must then call `refresh`. */
  leaderOf(topic: string, partition: number): Broker | null {
    const leader = this.#leaders.get(topic)?.[partition]
    return leader ? (this.#nodes.get(leader.node) ?? null) : null
  }

  /** The number of partitions; null for an unknown topic. */
  partitionsOf(topic: string): number | null {
    return this.#leaders.get(topic)?.length ?? null
  }

  /**
   * The number of partitions, as `partitionsOf` gives it. For a topic that has just disappeared, this is its last known number, because a broker that
   * has just started may not know the topic yet. For an unknown topic it is 0.
   */
  lastPartitionsOf(topic: string): number {
    return this.partitionsOf(topic) ?? this.#missing.get(topic)?.partitions ?? 0
  }

  /** The number of times that a known topic was found with another id, because it was deleted and created again. */
  get recreated(): number {
    return this.#recreated
  }

  /** The topic's id; null if it is not known. If a topic is deleted and created again, its id changes. */
  topicIdOf(topic: string): string | null {
    return this.#topicIds.get(topic) || null
  }

  /** The different numbers of replicas that the topic's partitions have. */
  replicasOf(topic: string): readonly number[] {
    return [...new Set(this.#leaders.get(topic)?.flatMap((leader) => leader?.replicas ?? []))]
  }

  /** The error that the last refresh gave for this topic. */
  topicError(topic: string): string {
    return this.#topicErrors.get(topic) ?? 'LEADER_NOT_AVAILABLE'
  }

  /** Asks a broker for the leaders of these topics, and of all topics that were asked for before. Concurrent calls share one request. */
  async refresh(topics: Iterable<string> = []): Promise<void> {
    const own = [...topics]
    for (const topic of own) this.#wanted.add(topic)
    const underWay = this.#refreshing
    if (underWay !== null) {
      await underWay.done
      if (own.every((topic) => underWay.asked.has(topic))) return
    }
    if (this.#refreshing === null) {
      const asked = new Set(this.#wanted)
      const done = this.#refresh([...asked]).finally(() => {
        this.#refreshing = null
      })
      this.#refreshing = { asked, done }
    }
    await this.#refreshing.done
  }

  async topicNames(): Promise<readonly string[]> {
    const { topics } = await this.ask((at) => this.client.metadata(at, null))
    return topics.flatMap(({ name, isInternal }) => (isInternal ? [] : [name]))
  }

  /**
   * Sends a request to any broker. Known brokers are tried before the configured addresses. Each call starts with a different broker, so that a
   * frozen broker does not delay every call.
   */
  async ask<T>(request: (at: At) => Promise<T>): Promise<T> {
    const failures: string[] = []
    const nodes = [...this.#nodes.values()]
    const first = nodes.length === 0 ? 0 : this.#asks++ % nodes.length
    for (const broker of [...nodes.slice(first), ...nodes.slice(0, first), ...this.#bootstrap]) {
      try {
        return await request({ broker, lane: mainLane })
      } catch (thrown) {
        if (!isPassing(thrown)) throw thrown
        failures.push(`${broker.host}:${broker.port}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
      }
    }
    throw new BrokerError('NETWORK', [...new Set(failures)].join('; '))
  }

  get controller(): Broker | null {
    return this.#nodes.get(this.#controller) ?? null
  }

  async coordinator(kind: 'group' | 'transaction', key: string): Promise<Broker> {
    const name = `${kind} ${key}`
    const known = this.#coordinators.get(name)
    if (known !== undefined) return known
    const broker = await this.ask((at) => this.client.findCoordinator(at, kind, key))
    this.#coordinators.set(name, broker)
    return broker
  }

  forgetCoordinator(kind: 'group' | 'transaction', key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  /** Retries errors that may pass, with growing waits, for at most `forMs`. Throws a WaggleError after that time, and for any other error. */
  async retry<T>(doing: string, work: () => Promise<T>, options: { readonly forMs?: number } = {}): Promise<T> {
    const { forMs = defaultRetryMs } = options
    const end = this.clock.elapsedMs() + forMs
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (thrown) {
        if (!isPassing(thrown) || this.#closed || this.clock.elapsedMs() > end) throw toWaggleError(thrown, doing)
        await this.backOff(attempt)
      }
    }
  }

  /** Runs `work` with the coordinator of a group or transaction. After an error that may pass, the next call looks the coordinator up again. */
  async withCoordinator<T>(kind: 'group' | 'transaction', key: string, work: (broker: Broker) => Promise<T>): Promise<T> {
    try {
      return await work(await this.coordinator(kind, key))
    } catch (thrown) {
      if (isPassing(thrown)) this.forgetCoordinator(kind, key)
      throw thrown
    }
  }

  backOff(attempt: number): Promise<void> {
    const delayMs = backOffMs(attempt) * (0.8 + this.#random.next() * 0.4)
    return new Promise((resolve) => void this.clock.after(delayMs, resolve))
  }

  close(): void {
    this.#closed = true
  }

  async #refresh(wanted: readonly string[]): Promise<void> {
    for (const topic of this.#topicErrors.keys()) if (!this.#wanted.has(topic)) this.#topicErrors.delete(topic)
    const { brokers, topics, controller } = await this.ask((at) => this.client.metadata(at, wanted))
    if (brokers.length > 0) this.#nodes.clear()
    for (const { id, host, port } of brokers) this.#nodes.set(id, { host, port })
    this.#controller = controller
    for (const { name, errorCode, id, partitions } of topics) {
      if (errorCode !== 0) {
        const error = errorName(errorCode)
        this.#topicErrors.set(name, error)
        if (error === 'UNKNOWN_TOPIC_OR_PARTITION') this.#miss(name)
        else if (!isPassing(new BrokerError(error))) this.#wanted.delete(name)
        continue
      }
      this.#topicErrors.delete(name)
      this.#missing.delete(name)
      // A topic whose id has changed was created again. The leaders of the old topic are not the leaders of the new topic.
      const before = this.#topicIds.get(name) === id ? this.#leaders.get(name) : undefined
      if (this.#topicIds.has(name) && this.#topicIds.get(name) !== id) this.#recreated++
      this.#topicIds.set(name, id)
      const leaders: (Leader | null)[] = []
      for (const { partition, leader, epoch, replicas } of partitions) {
        const old = before?.[partition]
        // A broker that was disconnected may report an older leader than the known leader.
        const isOlder = old !== undefined && old !== null && old.epoch > epoch
        leaders[partition] = isOlder ? old : leader < 0 ? null : { node: leader, epoch, replicas }
      }
      this.#leaders.set(name, leaders)
    }
  }

  /** Records a missing topic. After `goneTopicMs`, refreshes leave the topic out, so that the list of names that never existed does not grow. */
  #miss(topic: string): void {
    const now = this.clock.elapsedMs()
    const partitions = this.partitionsOf(topic) ?? 0
    this.#leaders.delete(topic)
    const before = this.#missing.get(topic)
    if (before === undefined) this.#missing.set(topic, { sinceMs: now, partitions })
    else if (now - before.sinceMs > goneTopicMs) {
      this.#missing.delete(topic)
      this.#topicIds.delete(topic)
      this.#wanted.delete(topic)
    }
  }
}

/** After this time, every broker knows a new topic. A topic that is still missing then is gone. */
export const goneTopicMs = 3000

export const mainLane: Lane = { name: 'main', requestTimeoutMs: 15_000 }

const defaultRetryMs = 60_000
