import { closedLog, commitDropped } from '../../topology/log-errors.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type {
  Clock,
  CommitPoint,
  CommitReceipt,
  Consumer,
  Log,
  LogTraits,
  Position,
  Producer,
  ProducerRecord,
  Reader,
  ReadOptions,
  StateDisk,
  Subscription,
  TaskProducer,
  TopicInfo,
  TopicPartition,
  TopicSpec,
} from '../ports.ts'
import { type CommitStep, type CrashPoint, never } from './crash.ts'
import { SimulatedConsumer, SimulatedGroup, SimulatedReader } from './simulated-consumer.ts'
import type { SimulatedDisk } from './simulated-disk.ts'
import { type OpenRecord, SimulatedPartition } from './simulated-partition.ts'
import type { SimulatedRandom } from './simulated-random.ts'

export interface SimulatedLogOptions {
  /** The disk, with the durable data of earlier logs. */
  readonly disk: SimulatedDisk
  readonly clock: Clock
  readonly random: SimulatedRandom
  readonly traits: LogTraits
  /** False: the log keeps no state, and state is restored from changelogs, as on Kafka. */
  readonly keepsState?: boolean
  /** The longest time of a step of a commit, in ms. */
  readonly maxStepMs?: number
  /** The step at which the log crashes by itself. Null: the log does not crash by itself. */
  readonly crash?: CrashPoint | null
}

interface Appended {
  readonly partition: SimulatedPartition
  readonly record: OpenRecord
}

/** A log in memory, for one process. Time and randomness are given, so one seed gives one history. A crash can happen at any step. */
export class SimulatedLog implements Log {
  readonly traits: LogTraits
  readonly #options: SimulatedLogOptions
  readonly #partitions = new Map<string, SimulatedPartition[]>()
  readonly #groups = new Map<string, SimulatedGroup>()
  readonly #producers = new Set<SimulatedTaskProducer>()
  readonly #readers = new Set<SimulatedReader>()
  #loose: (Appended & { readonly settle: () => void })[] = []
  #last: Promise<unknown> = Promise.resolve()
  #commits = 0
  /** The number of aborts. Commits that began before an abort count as dropped. */
  #epoch = 0
  #crashed = false
  #closed = false
  #cancelRetention: () => void

  constructor(options: SimulatedLogOptions) {
    this.#options = options
    this.traits = options.traits
    for (const [topic, { partitions }] of options.disk.topics) {
      this.#partitions.set(
        topic,
        partitions.map((durable, number) => new SimulatedPartition(topic, number, durable)),
      )
    }
    this.#cancelRetention = options.clock.after(retentionMs, () => this.#expire())
  }

  get state(): StateDisk | null {
    return this.#options.keepsState === false ? null : { open: (task, store) => this.#options.disk.store(task, store) }
  }

  get hasCrashed(): boolean {
    return this.#crashed
  }

  /** The number of commits begun. A crash point names a commit by this number. */
  get commits(): number {
    return this.#commits
  }

  get load(): { readonly pendingBytes: number; readonly maxPendingBytes: number } {
    return { pendingBytes: 0, maxPendingBytes: Number.MAX_SAFE_INTEGER }
  }

  /** Stops the process: from now on the process gets no events and changes nothing. */
  crash(): void {
    this.#crashed = true
    this.#cancelRetention()
  }

  /** Shifts the assignment of a group, as if a member had joined and left. */
  rebalance(group: string): void {
    const there = this.#groups.get(group)
    if (there === undefined) return
    there.rotation++
    there.changed()
  }

  /** Fences this group's producers, as if another process had taken over its tasks. */
  fence(group: string): void {
    for (const producer of this.#producers) if (producer.group === group) producer.isFenced = true
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const spec of specs) {
      const there = this.#options.disk.topics.get(spec.name)
      if (there !== undefined && there.spec.partitions !== spec.partitions) {
        throw new WaggleError('WAGGLE_TOPIC_MISMATCH', {
          message: `The topic ${spec.name} has ${there.spec.partitions} partitions, where ${spec.partitions} are wanted`,
          next: 'Use as many, or another topic.',
        })
      }
      if (there !== undefined) {
        const retentionMs = spec.retentionMs ?? there.spec.retentionMs
        this.#options.disk.topics.set(spec.name, { ...there, spec: { ...there.spec, retentionMs } })
        continue
      }
      const partitions = Array.from({ length: spec.partitions }, () => ({ records: [], start: 0, end: 0 }))
      this.#options.disk.topics.set(spec.name, { spec, partitions, id: `topic ${++this.#options.disk.topicsMade}` })
      this.#partitions.set(
        spec.name,
        partitions.map((durable, number) => new SimulatedPartition(spec.name, number, durable)),
      )
    }
    for (const group of this.#groups.values()) group.changed()
  }

  async topic(name: string): Promise<TopicInfo | null> {
    const there = this.#options.disk.topics.get(name)
    if (there === undefined) return null
    return { ...there.spec, id: there.id, offsets: this.partitionsOf([name]).map(({ start, durableEnd }) => ({ start, end: durableEnd })) }
  }

  async topics(): Promise<readonly string[]> {
    return [...this.#partitions.keys()]
  }

  partitionsOf(topics: readonly string[]): readonly SimulatedPartition[] {
    return topics.flatMap((topic) => this.#partitions.get(topic) ?? [])
  }

  position(group: string, topic: string, partition: number): Position | null {
    return this.#options.disk.positions.get(positionName(group, topic, partition)) ?? null
  }

  async subscribe(subscription: Subscription): Promise<Consumer> {
    const group = this.#groups.get(subscription.group) ?? new SimulatedGroup()
    this.#groups.set(subscription.group, group)
    const consumer = new SimulatedConsumer(this, this.#options.clock, group, subscription)
    group.members.push(consumer)
    group.changed()
    return consumer
  }

  read(options: ReadOptions): Reader {
    const topicId = () => this.#options.disk.topics.get(options.topic)?.id ?? null
    const closed = (reader: SimulatedReader) => void this.#readers.delete(reader)
    const reader = new SimulatedReader(this.#partition(options.topic, options.partition), options, { topicId, closed })
    if (this.#closed) reader.fail(closedLog())
    else this.#readers.add(reader)
    return reader
  }

  async offsetAt({ topic, partition }: TopicPartition, timestamp: number): Promise<number> {
    return this.#partition(topic, partition).offsetAt(timestamp)
  }

  async deleteBefore(places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    for (const { topic, partition, offset } of places) this.#partition(topic, partition).deleteBefore(offset)
  }

  async taskProducer({ group }: { readonly group: string }): Promise<TaskProducer> {
    const producer = new SimulatedTaskProducer(this, group)
    this.#producers.add(producer)
    return producer
  }

  async producer(): Promise<Producer> {
    return {
      send: (record, { durable = true } = {}) => this.#send(record, durable),
      close: async () => {},
    }
  }

  append(record: ProducerRecord, owner: SimulatedTaskProducer | null): Appended {
    const partition = this.#partition(record.topic, record.partition)
    return { partition, record: partition.append(record, owner) }
  }

  commit(producer: SimulatedTaskProducer, appended: readonly Appended[], point: CommitPoint): Promise<void> {
    // Entries are read before the promise is returned, as the port requires.
    const state = point.state.map(({ task, store, entries }) => ({ task, store, entries: [...entries] }))
    const commit = this.#commits++
    const epoch = this.#epoch
    const done = this.#last.then(async () => {
      if (epoch !== this.#epoch) throw commitDropped()
      await this.#step(commit, 'begin')
      if (producer.isFenced) throw fenced(producer.group)
      const { atomicCommit } = this.traits
      let rest = appended
      if (!atomicCommit) {
        const [early, late] = this.#torn(appended)
        this.#writeRecords(early)
        await this.#step(commit, 'torn')
        rest = late
      }
      const writes: (() => void)[] = [
        () => this.#writeRecords(rest),
        () => {
          for (const { task, store, entries } of state) for (const [key, value] of entries) this.#options.disk.store(task, store).change(key, value)
        },
        () => {
          for (const { group, topic, partition, offset, metadata } of point.positions)
            this.#options.disk.positions.set(positionName(group ?? producer.group, topic, partition), { offset, metadata })
        },
      ]
      for (const [at, step] of (['records', 'state', 'positions'] as const).entries()) {
        if (!atomicCommit) writes[at]?.()
        await this.#step(commit, step)
      }
      if (atomicCommit) for (const write of writes) write()
      await this.#step(commit, 'durable')
      await this.#step(commit, 'acknowledged')
    })
    this.#last = done.catch(() => {
      const records = new Set<OpenRecord>(appended.map(({ record }) => record))
      for (const { partition } of appended) partition.drop((record) => records.has(record))
    })
    return done
  }

  async abort(producer: SimulatedTaskProducer): Promise<void> {
    if (this.#crashed) return never()
    if (this.traits.handsOn) this.#epoch++
    await this.#last
    const isDropped = ({ owner }: OpenRecord) => (this.traits.handsOn ? owner !== null : owner === producer)
    for (const one of this.#producers) if (one === producer || this.traits.handsOn) one.takeOpen()
    for (const partitions of this.#partitions.values()) for (const partition of partitions) partition.drop(isDropped)
    if (!this.traits.handsOn) return
    for (const { members } of this.#groups.values()) for (const member of members) if (member.subscription.isolation === 'handed') member.lose()
  }

  forget(producer: SimulatedTaskProducer): void {
    this.#producers.delete(producer)
  }

  async close(): Promise<void> {
    if (this.#crashed) return never()
    this.#closed = true
    for (const reader of this.#readers) reader.fail(closedLog())
    await this.#flushLoose()
    await this.#last
    this.#cancelRetention()
  }

  #send(record: ProducerRecord, durable: boolean): Promise<{ readonly offset: number }> {
    if (this.#crashed) return never()
    const appended = this.append(record, null)
    return new Promise((resolve) => {
      this.#loose.push({ ...appended, settle: () => resolve({ offset: appended.record.offset }) })
      if (durable) void this.#flushLoose()
    })
  }

  /** Syncs records that belong to no commit. */
  async #flushLoose(): Promise<void> {
    const done = this.#last.then(async () => {
      await this.#delay()
      this.#writeLoose()
    })
    this.#last = done
    await done
  }

  #writeLoose(): void {
    const loose = this.#loose
    this.#loose = []
    makeDurable(loose)
    for (const { settle } of loose) settle()
  }

  #writeRecords(appended: readonly Appended[]): void {
    this.#writeLoose()
    makeDurable(appended)
  }

  /** Divides records into early and late ones at random, as brokers write partitions in any order. */
  #torn(appended: readonly Appended[]): readonly [early: readonly Appended[], late: readonly Appended[]] {
    const partitions = [...new Set(appended.map(({ partition }) => partition))]
    const early = new Set(partitions.filter(() => this.#options.random.next() < 0.5))
    return [appended.filter(({ partition }) => early.has(partition)), appended.filter(({ partition }) => !early.has(partition))]
  }

  async #step(commit: number, step: CommitStep): Promise<void> {
    await this.#delay()
    const { crash } = this.#options
    if (crash?.commit === commit && crash.step === step) this.crash()
    if (this.#crashed) return never()
  }

  async #delay(): Promise<void> {
    const { clock, random, maxStepMs = 0 } = this.#options
    if (maxStepMs > 0) await new Promise<void>((resolve) => void clock.after(random.next() * maxStepMs, resolve))
    if (this.#crashed) return never()
  }

  #partition(topic: string, number: number): SimulatedPartition {
    const partition = this.#partitions.get(topic)?.[number]
    if (partition !== undefined) return partition
    throw new WaggleError('WAGGLE_MISSING_TOPIC', {
      message: `There is no partition ${number} of ${topic}`,
      next: 'Create the topic, or correct its name.',
    })
  }

  #expire(): void {
    const { clock, disk } = this.#options
    this.#cancelRetention = clock.after(retentionMs, () => this.#expire())
    for (const [topic, { spec }] of disk.topics) {
      if (spec.retentionMs === null) continue
      for (const partition of this.partitionsOf([topic])) partition.expire(clock.now() - spec.retentionMs)
    }
  }
}

class SimulatedTaskProducer implements TaskProducer {
  readonly group: string
  readonly #log: SimulatedLog
  #open: Appended[] = []
  isFenced = false

  constructor(log: SimulatedLog, group: string) {
    this.#log = log
    this.group = group
  }

  append(record: ProducerRecord): void {
    this.#open.push(this.#log.append(record, this))
  }

  async commit(point: CommitPoint): Promise<CommitReceipt> {
    const appended = this.takeOpen()
    await this.#log.commit(this, appended, point)
    return { ends: endsOf(appended) }
  }

  abort(): Promise<void> {
    return this.#log.abort(this)
  }

  async close(): Promise<void> {
    this.#log.forget(this)
  }

  takeOpen(): readonly Appended[] {
    return this.#open.splice(0)
  }
}

function endsOf(appended: readonly Appended[]): CommitReceipt['ends'] {
  const ends = new Map(appended.map(({ partition, record }) => [partition, record.offset + 1]))
  return [...ends].map(([{ topic, number }, offset]) => ({ topic, partition: number, offset }))
}

function makeDurable(appended: readonly Appended[]): void {
  const byPartition = Map.groupBy(appended, ({ partition }) => partition)
  for (const [partition, ones] of byPartition) partition.makeDurable(ones.map(({ record }) => record))
  for (const partition of byPartition.keys()) partition.notify()
}

function positionName(group: string, topic: string, partition: number): string {
  return JSON.stringify([group, topic, partition])
}

function fenced(group: string): WaggleError {
  return new WaggleError('WAGGLE_FENCED', {
    message: `Another process writes for ${group} now`,
    next: 'Nothing: the process goes back to its last commit.',
  })
}

const retentionMs = 60_000
