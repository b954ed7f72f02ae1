import { InterruptibleWait } from '../../topology/interruptible-wait.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import {
  type Clock,
  type Consumer,
  type GroupAssignment,
  type GroupMember,
  type LogRecord,
  type Position,
  type Reader,
  type ReadOptions,
  type RecordRun,
  type Subscription,
  type TopicPartition,
  valueBytes,
} from '../ports.ts'
import { never } from './crash.ts'
import type { SimulatedLog } from './simulated-log.ts'
import type { SimulatedPartition } from './simulated-partition.ts'

/** The members of one group. Partitions with the same number go to the same member. `rotation` shifts the assignment. */
export class SimulatedGroup {
  readonly members: SimulatedConsumer[] = []
  rotation = 0
  joined = 0
  #decided: ReadonlyMap<string, GroupAssignment> | null = null

  memberFor(partition: SimulatedPartition): SimulatedConsumer | undefined {
    const able = this.members.filter((member) => member.subscription.topics.includes(partition.topic))
    return able[(partition.number + this.rotation) % able.length]
  }

  /** The assignment that the leader has made since the group last changed. The first member is the leader. Null if members have no assignor. */
  decided(partitionsOf: (topic: string) => number): ReadonlyMap<string, GroupAssignment> | null {
    const assignor = this.members[0]?.subscription.assignor
    if (assignor === undefined) return null
    this.#decided ??= assignor.assign(
      this.members.map((member) => member.asMember()),
      partitionsOf,
    )
    return this.#decided
  }

  changed(): void {
    this.#decided = null
    for (const member of this.members) member.reassign()
  }
}

export class SimulatedConsumer implements Consumer {
  readonly subscription: Subscription
  readonly #log: SimulatedLog
  readonly #group: SimulatedGroup
  readonly #id: string
  readonly #owned = new Map<SimulatedPartition, { position: number; paused: boolean }>()
  #mustReassign = true
  #hasLost = false
  #closed = false
  readonly #wait: InterruptibleWait
  readonly #watch = () => this.#wait.end()

  constructor(log: SimulatedLog, clock: Clock, group: SimulatedGroup, subscription: Subscription) {
    this.#log = log
    this.#wait = new InterruptibleWait(clock)
    this.#group = group
    this.#id = `member-${++group.joined}`
    this.subscription = subscription
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    if (this.#log.hasCrashed) return never()
    await this.#applyAssignment()
    await this.#findPositions()
    const runs = this.#collect(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#wait.takeWakeup()) return runs
    await this.#wait.for(maxWaitMs)
    this.#wait.takeWakeup()
    if (this.#log.hasCrashed) return never()
    await this.#applyAssignment()
    await this.#findPositions()
    return this.#collect(maxRecords)
  }

  wakeup(): void {
    this.#wait.wakeup()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const owned of this.#of(partitions)) owned.paused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const owned of this.#of(partitions)) owned.paused = false
    this.wakeup()
  }

  hasMore({ topic, partition }: TopicPartition): boolean {
    for (const [owned, { position }] of this.#owned) {
      if (owned.topic === topic && owned.number === partition) return owned.read(position, this.#end(owned), 1).length > 0
    }
    return false
  }

  endOf({ topic, partition }: TopicPartition): number | null {
    for (const owned of this.#owned.keys()) if (owned.topic === topic && owned.number === partition) return this.#end(owned)
    return null
  }

  async committed({ topic, partition }: TopicPartition): Promise<Position | null> {
    return this.#log.position(this.subscription.group, topic, partition)
  }

  seek(partition: TopicPartition, offset: number): void {
    for (const owned of this.#of([partition])) owned.position = offset
  }

  rejoin(): void {
    this.#group.changed()
  }

  asMember(): GroupMember {
    const { topics, assignor, instanceId = null } = this.subscription
    return {
      id: this.#id,
      instanceId,
      topics,
      owned: [...this.#owned.keys()].map(topicPartitionOf),
      data: assignor?.memberData() ?? new Uint8Array(0),
    }
  }

  reassign(): void {
    this.#mustReassign = true
    this.wakeup()
  }

  lose(): void {
    this.#hasLost = true
    this.reassign()
  }

  owns(partition: SimulatedPartition): boolean {
    return this.#owned.has(partition)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#release([...this.#owned.keys()])
    this.#group.members.splice(this.#group.members.indexOf(this), 1)
    this.#group.changed()
    this.#wait.end()
  }

  async #applyAssignment(): Promise<void> {
    this.#refuseClosed()
    if (!this.#mustReassign) return
    this.#mustReassign = false
    const { listener, topics, group, offsetReset } = this.subscription
    if (this.#hasLost) {
      this.#hasLost = false
      const lost = this.#release([...this.#owned.keys()])
      if (lost.length > 0) await listener.lost(lost)
      this.#refuseClosed()
    }
    const wanted = this.#wanted(topics)
    const leaving = [...this.#owned.keys()].filter((partition) => !wanted.includes(partition))
    if (leaving.length > 0) {
      await listener.revoked(leaving.map(topicPartitionOf))
      this.#refuseClosed()
      this.#release(leaving)
      this.#group.changed()
    }
    const isFree = (partition: SimulatedPartition) => !this.#group.members.some((member) => member.owns(partition))
    const coming = wanted.filter(isFree)
    if (coming.length === 0) return
    for (const partition of coming) {
      const position = this.#log.position(group, partition.topic, partition.number)
      const reset = offsetReset === 'earliest' ? partition.start : this.#end(partition)
      this.#owned.set(partition, { position: position?.offset ?? reset, paused: false })
      partition.watchers.add(this.#watch)
    }
    await listener.assigned(coming.map(topicPartitionOf))
  }

  #wanted(topics: readonly string[]): readonly SimulatedPartition[] {
    const all = this.#log.partitionsOf(topics)
    const decided = this.#group.decided((topic) => this.#log.partitionsOf([topic]).length)
    if (decided === null) return all.filter((partition) => this.#group.memberFor(partition) === this)
    const { partitions, data } = decided.get(this.#id) ?? { partitions: [], data: null }
    if (data !== null) this.subscription.assignor?.received(data)
    return all.filter(({ topic, number }) => partitions.some((one) => one.topic === topic && one.partition === number))
  }

  /** Finds a new position for each partition whose next record was deleted by retention. */
  async #findPositions(): Promise<void> {
    const { outOfRange } = this.subscription
    if (outOfRange === undefined) return
    for (const [partition, owned] of this.#owned) {
      const { position } = owned
      if (position >= partition.start) continue
      const found = await outOfRange(topicPartitionOf(partition), position)
      if (owned.position === position) owned.position = found
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This consumer is closed', next: 'Subscribe again.' })
  }

  #release(partitions: readonly SimulatedPartition[]): readonly TopicPartition[] {
    for (const partition of partitions) {
      this.#owned.delete(partition)
      partition.watchers.delete(this.#watch)
    }
    return partitions.map(topicPartitionOf)
  }

  #collect(maxRecords: number): RecordRun[] {
    const runs: RecordRun[] = []
    let left = maxRecords
    let bytes = 0
    for (const [partition, owned] of this.#owned) {
      if (owned.paused || left === 0) continue
      if (bytes >= maxPollBytes) break
      const found = partition.read(owned.position, this.#end(partition), left)
      const records: LogRecord[] = []
      for (const record of found) {
        if (bytes >= maxPollBytes) break
        records.push(record)
        bytes += valueBytes(record.value)
      }
      const last = records.at(-1)
      if (last === undefined) continue
      owned.position = last.offset + 1
      left -= records.length
      runs.push({ ...topicPartitionOf(partition), records })
    }
    return runs
  }

  #end(partition: SimulatedPartition): number {
    return this.subscription.isolation === 'handed' && this.#log.traits.handsOn ? partition.end : partition.durableEnd
  }

  *#of(partitions: readonly TopicPartition[]): IterableIterator<{ position: number; paused: boolean }> {
    for (const [{ topic, number }, owned] of this.#owned)
      if (partitions.some((wanted) => wanted.topic === topic && wanted.partition === number)) yield owned
  }
}

/** Follows the durable records of one partition. */
export class SimulatedReader implements Reader {
  readonly ready = Promise.resolve()
  readonly #partition: SimulatedPartition
  readonly #to: number
  readonly #whole: NonNullable<ReadOptions['whole']> | null
  readonly #onGap: ReadOptions['onGap'] | null
  readonly #log: { topicId(): string | null; closed(reader: SimulatedReader): void }
  #position: number
  #failure: unknown = null
  #closed = false

  constructor(
    partition: SimulatedPartition,
    { from, to, whole, onGap }: ReadOptions,
    log: { topicId(): string | null; closed(reader: SimulatedReader): void },
  ) {
    this.#partition = partition
    this.#whole = whole ?? null
    this.#onGap = onGap ?? null
    this.#log = log
    this.#position = from < 0 ? partition.durableEnd : from
    this.#to = to ?? Number.POSITIVE_INFINITY
  }

  fail(error: unknown): void {
    this.#failure ??= error
    this.#partition.notify()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#log.closed(this)
    this.#partition.notify()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<RecordRun> {
    try {
      while (!this.#closed && this.#position < this.#to) {
        if (this.#failure !== null) throw this.#failure
        if (this.#whole !== null) this.#expectWhole(this.#whole.topicId)
        else if (this.#position < this.#partition.start) this.#skip()
        const records = this.#partition.read(this.#position, Math.min(this.#to, this.#partition.durableEnd), 1000)
        const last = records.at(-1)
        if (last !== undefined) {
          this.#position = last.offset + 1
          yield { ...topicPartitionOf(this.#partition), records }
        } else if (this.#partition.durableEnd >= this.#to) return
        else await this.#changed()
      }
    } finally {
      this.#log.closed(this)
    }
  }

  #skip(): void {
    const { start } = this.#partition
    if (this.#position > 0) this.#onGap?.({ ...topicPartitionOf(this.#partition), from: this.#position, to: start })
    this.#position = start
  }

  #expectWhole(topicId: string | null): void {
    if (this.#position >= this.#partition.start && (topicId === null || topicId === this.#log.topicId())) return
    throw new WaggleError('WAGGLE_RECORDS_GONE', {
      message: `Records of ${this.#partition.topic}, partition ${this.#partition.number}, were deleted before they were read`,
      next: 'Read the partition from its first record.',
    })
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const changed = () => {
        this.#partition.watchers.delete(changed)
        resolve()
      }
      this.#partition.watchers.add(changed)
    })
  }
}

function topicPartitionOf({ topic, number }: SimulatedPartition): TopicPartition {
  return { topic, partition: number }
}

/** A poll ends with the record that exceeds this size, as in real logs. */
const maxPollBytes = 8 * 1024 * 1024
