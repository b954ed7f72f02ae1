import {
  type Clock,
  type Consumer,
  type LogRecord,
  type Position,
  type RecordRun,
  type Subscription,
  type TopicPartition,
  valueBytes,
} from '../../../processor/ports.ts'
import { Fifo } from '../../../topology/fifo.ts'
import { InterruptibleWait } from '../../../topology/interruptible-wait.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Groups } from './groups.ts'
import { maxReadBytes, type Partition, type ReadPartition, type Watcher } from './partition.ts'
import type { Positions } from './positions.ts'
import type { Topics } from './topics.ts'

/** The members of one group in this process. Each partition belongs to one of them. */
export class Group {
  readonly name: string
  readonly #members: GroupConsumer[] = []
  readonly #groups: Pick<Groups, 'joined' | 'left'>

  constructor(name: string, groups: Pick<Groups, 'joined' | 'left'>) {
    this.name = name
    this.#groups = groups
  }

  get members(): readonly GroupConsumer[] {
    return this.#members
  }

  join(member: GroupConsumer): void {
    this.#members.push(member)
    this.#groups.joined(this, member)
    this.changed()
  }

  leave(member: GroupConsumer): void {
    this.#members.splice(this.#members.indexOf(member), 1)
    this.#groups.left(this, member)
    this.changed()
  }

  /** The member that reads a partition. Partitions with the same number go to the same member in all topics, because one task reads them together. */
  memberFor(partition: Partition): GroupConsumer | undefined {
    const able = this.members.filter((member) => member.reads(partition.topic))
    return able[partition.number % able.length]
  }

  ownerOf(partition: Partition): GroupConsumer | undefined {
    return this.members.find((member) => member.owns(partition))
  }

  changed(): void {
    for (const member of this.members) member.reassign()
  }
}

export interface GroupConsumerOptions {
  readonly clock: Clock
  readonly group: Group
  readonly subscription: Subscription
  readonly topics: Topics
  readonly positions: Positions
  readonly read: ReadPartition
}

interface Owned {
  readonly partition: Partition
  position: number
  isPaused: boolean
  isListed: boolean
}

/** A member of a group. A poll costs nothing for partitions without new records. */
export class GroupConsumer implements Consumer, Watcher {
  readonly #topics: Topics
  readonly #positions: Positions
  readonly #read: ReadPartition
  readonly #group: Group
  readonly #subscription: Subscription
  readonly #owned = new Map<Partition, Owned>()
  /** A queue of owned partitions that may have records. Paused partitions are left out. */
  readonly #ready = new Fifo<Owned>()
  #mustReassign = true
  #hasLost = false
  readonly #wait: InterruptibleWait
  #closed = false

  constructor({ clock, group, subscription, topics, positions, read }: GroupConsumerOptions) {
    this.#wait = new InterruptibleWait(clock)
    this.#topics = topics
    this.#positions = positions
    this.#read = read
    this.#group = group
    this.#subscription = subscription
  }

  get topics(): readonly string[] {
    return this.#subscription.topics
  }

  reads(topic: string): boolean {
    return this.topics.includes(topic)
  }

  owns(partition: Partition): boolean {
    return this.#owned.has(partition)
  }

  /** True if this member must still give up its partitions. Until then, its tasks work on dropped records. */
  get hasLost(): boolean {
    return this.#hasLost
  }

  get isHanded(): boolean {
    return this.#subscription.isolation === 'handed'
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    if (this.#mustPrepare) await this.#prepare()
    let runs = this.#collect(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#wait.takeWakeup()) return runs
    await this.#wait.for(maxWaitMs)
    this.#wait.takeWakeup()
    if (this.#mustPrepare) await this.#prepare()
    runs = this.#collect(maxRecords)
    return runs
  }

  wakeup(): void {
    this.#wait.wakeup()
  }

  notify(partition: Partition): void {
    const owned = this.#owned.get(partition)
    if (owned !== undefined && this.#list(owned)) this.#wait.end()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const place of partitions) {
      const owned = this.#find(place)
      if (owned !== undefined) owned.isPaused = true
    }
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const place of partitions) {
      const owned = this.#find(place)
      if (owned === undefined) continue
      owned.isPaused = false
      this.#list(owned)
    }
    this.wakeup()
  }

  hasMore(place: TopicPartition): boolean {
    const owned = this.#find(place)
    if (owned === undefined) return false
    const end = this.#end(owned.partition)
    return owned.position < end && this.#read(owned.partition, owned.position, end, 1).length > 0
  }

  endOf(place: TopicPartition): number | null {
    const owned = this.#find(place)
    return owned === undefined ? null : this.#end(owned.partition)
  }

  async committed({ topic, partition }: TopicPartition): Promise<Position | null> {
    return this.#positions.find(this.#group.name, topic, partition)
  }

  seek(place: TopicPartition, offset: number): void {
    const owned = this.#find(place)
    if (owned === undefined) return
    owned.position = offset
    this.#list(owned)
  }

  rejoin(): void {}

  positionOf(partition: Partition): number {
    return this.#owned.get(partition)?.position ?? Number.POSITIVE_INFINITY
  }

  /** Called when members or topics were added or removed. The next `poll` decides which partitions this member owns. */
  reassign(): void {
    this.#mustReassign = true
    this.wakeup()
  }

  /**
   * Called when uncommitted records that this member has read are dropped. The member gives up its partitions, and then takes them again at their
   * last commit.
   */
  lose(): void {
    this.#hasLost = true
    this.reassign()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const partition of this.#owned.keys()) partition.watchers.delete(this)
    this.#owned.clear()
    this.#group.leave(this)
    this.#wait.end()
  }

  /** True if a poll must prepare before it collects records. Nearly all polls need no preparation. */
  get #mustPrepare(): boolean {
    return this.#closed || this.#mustReassign || this.#ready.some(isBehindStart)
  }

  async #prepare(): Promise<void> {
    await this.#applyAssignment()
    await this.#findPositions()
  }

  async #applyAssignment(): Promise<void> {
    this.#refuseClosed()
    if (!this.#mustReassign) return
    this.#mustReassign = false
    const { listener, topics } = this.#subscription
    if (this.#hasLost) {
      const lost = this.#release([...this.#owned.keys()])
      if (lost.length > 0) await listener.lost(lost)
      this.#hasLost = false
      // Another member may have asked for some of these partitions while this member still owned them.
      this.#group.changed()
      this.#mustReassign = false
      this.#refuseClosed()
    }
    const wanted = new Set(this.#topics.partitionsOf(topics).filter((partition) => this.#group.memberFor(partition) === this))
    const leaving = [...this.#owned.keys()].filter((partition) => !wanted.has(partition))
    if (leaving.length > 0) {
      await listener.revoked(leaving.map(topicPartitionOf))
      this.#refuseClosed()
      this.#release(leaving)
      this.#group.changed()
    }
    const coming = [...wanted].filter((partition) => !this.#owned.has(partition) && this.#group.ownerOf(partition) === undefined)
    if (coming.length === 0) return
    for (const partition of coming) {
      const position = this.#positions.find(this.#group.name, partition.topic, partition.number)
      const reset = this.#subscription.offsetReset === 'earliest' ? partition.start : this.#end(partition)
      const owned = { partition, position: position?.offset ?? reset, isPaused: false, isListed: false }
      this.#owned.set(partition, owned)
      partition.watchers.add(this)
      this.#list(owned)
    }
    await listener.assigned(coming.map(topicPartitionOf))
  }

  /** Asks for a new position if retention has deleted the record at the old position. */
  async #findPositions(): Promise<void> {
    const { outOfRange } = this.#subscription
    if (outOfRange === undefined) return
    for (const owned of [...this.#ready]) {
      if (!isBehindStart(owned)) continue
      const { partition, position } = owned
      const found = await outOfRange(topicPartitionOf(partition), position)
      if (owned.position === position) owned.position = found
    }
  }

  /** Called after each wait of a poll, because the consumer may have been closed during the wait. A closed consumer must take no partitions. */
  #refuseClosed(): void {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This consumer is closed', next: 'Subscribe again.' })
  }

  #release(partitions: readonly Partition[]): readonly TopicPartition[] {
    for (const partition of partitions) {
      this.#owned.delete(partition)
      partition.watchers.delete(this)
    }
    return partitions.map(topicPartitionOf)
  }

  /** Queues a partition for a poll. True if the partition has records for this member. */
  #list(owned: Owned): boolean {
    if (owned.isPaused || owned.position >= this.#end(owned.partition)) return false
    if (!owned.isListed) {
      owned.isListed = true
      this.#ready.push(owned)
    }
    return true
  }

  #collect(maxRecords: number): RecordRun[] {
    const runs: RecordRun[] = []
    let left = maxRecords
    let bytes = 0
    for (let queued = this.#ready.size; queued > 0 && left > 0 && bytes < maxReadBytes; queued--) {
      const owned = this.#ready.shift()
      if (owned === undefined) break
      owned.isListed = false
      const { partition } = owned
      if (owned.isPaused || this.#owned.get(partition) !== owned) continue
      const records = this.#read(partition, owned.position, this.#end(partition), left)
      const last: LogRecord | undefined = records.at(-1)
      if (last === undefined) continue
      owned.position = last.offset + 1
      left -= records.length
      for (const { value } of records) bytes += valueBytes(value)
      runs.push({ topic: partition.topic, partition: partition.number, records })
      this.#list(owned)
    }
    return runs
  }

  #end(partition: Partition): number {
    return this.isHanded ? partition.next : partition.durableEnd
  }

  #find({ topic, partition }: TopicPartition): Owned | undefined {
    const found = this.#topics.findPartition(topic, partition)
    return found === null ? undefined : this.#owned.get(found)
  }
}

/** True if retention has deleted the record at the position. */
function isBehindStart({ partition, position }: Owned): boolean {
  return position < partition.start
}

function topicPartitionOf(partition: Partition): TopicPartition {
  return { topic: partition.topic, partition: partition.number }
}
