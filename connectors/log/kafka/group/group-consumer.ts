import {
  type Consumer,
  type GroupAssignment,
  type Position,
  partitionName,
  type RecordRun,
  type Subscription,
  type TopicPartition,
} from '../../../../processor/ports.ts'
import { InterruptibleWait } from '../../../../topology/interruptible-wait.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { edgeOffsets, type GroupMembership } from '../cluster/offsets.ts'
import { FetchedPartition } from '../reading/fetched-partition.ts'
import { Fetcher } from '../reading/fetcher.ts'
import { CommittedPositions } from './committed-positions.ts'
import { GroupMember } from './group-member.ts'
import { type OwnedPartition, OwnedPartitions } from './owned-partitions.ts'
import { stickyAssignor } from './sticky-assignor.ts'

export interface GroupConsumerOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly subscription: Subscription
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly maxAheadBytes: number
  readonly onClosed: (consumer: GroupConsumer) => void
  /** Called when the member has lost its seat. The next `poll` then calls the listener's `lost`. */
  readonly onLost: () => void
}

/** Called when the member has lost its seat. The next `poll` then calls the `lost` method of the listener. */
export class GroupConsumer implements Consumer {
  readonly #options: GroupConsumerOptions
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #member: GroupMember
  readonly #owned = new OwnedPartitions()
  readonly #committed: CommittedPositions
  #pending: GroupAssignment | null = null
  #hasLost = false
  #isLosing = false
  #failure: { readonly error: Error; readonly isFinal: boolean } | null = null
  readonly #resetting = new Set<FetchedPartition>()
  readonly #wait: InterruptibleWait
  #closed = false

  constructor(options: GroupConsumerOptions) {
    const { cluster, name, subscription } = options
    this.#options = options
    this.#cluster = cluster
    this.#committed = new CommittedPositions(cluster, subscription.group)
    this.#wait = new InterruptibleWait(cluster.clock)
    this.#fetcher = new Fetcher({
      cluster,
      name,
      maxBytes: options.maxAheadBytes,
      onAnswer: (partition) => {
        const owned = this.#owned.ofFetched(partition)
        if (owned !== undefined && this.#owned.look(owned)) this.#notify()
      },
      onUnreadable: (_, gap, cause) => subscription.onUnreadable?.(gap, cause),
      onOutOfRange: (partition) => void this.#reset(partition),
      onError: (error) => this.#fail(error),
      // A missing topic needs no reaction here. The group's leader notices that the topic is gone, and assigns its partitions to nobody.
      onGone: () => {},
    })
    this.#member = new GroupMember({
      cluster,
      name,
      group: subscription.group,
      topics: subscription.topics,
      assignor: subscription.assignor ?? stickyAssignor,
      instanceId: subscription.instanceId ?? null,
      sessionTimeoutMs: options.sessionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs,
      owned: () => this.#owned.all.map(topicPartitionOf),
      onAssigned: (assignment) => {
        this.#pending = assignment
        this.#notify()
      },
      onLost: () => {
        this.#hasLost = true
        this.#pending = null
        options.onLost()
        this.#notify()
      },
      onError: (error, { isFinal }) => {
        this.#fail(error, isFinal)
        if (isFinal) options.onLost()
      },
    })
  }

  get group(): string {
    return this.#options.subscription.group
  }

  get member(): GroupMember {
    return this.#member
  }

  /** The membership for a commit of this partition; null if this member does not own the partition. */
  memberOf(place: TopicPartition): GroupMembership | null {
    return this.hasLost || !this.#owned.has(place) ? null : this.#member.membership
  }

  /** True if the member's partitions may belong to other members, and the listener was not called yet. */
  get hasLost(): boolean {
    return this.#hasLost || this.#isLosing || this.#failure?.isFinal === true
  }

  /**
   * True while no other member can own the partitions, so that records which are written now come before the records of the next owner. A consumer
   * without partitions always holds its seat.
   */
  get holdsSeat(): boolean {
    return !this.hasLost && (this.#owned.size === 0 || this.#member.holdsSeat)
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    await this.#prepare()
    const runs = this.#collect(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#wait.takeWakeup()) return runs
    await this.#wait.for(maxWaitMs)
    this.#wait.takeWakeup()
    await this.#prepare()
    return this.#collect(maxRecords)
  }

  wakeup(): void {
    this.#wait.wakeup()
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false)
    this.wakeup()
  }

  hasMore(place: TopicPartition): boolean {
    return this.#owned.get(place)?.fetched.mayHaveMore ?? false
  }

  /** The end of the partition, from the last fetch response; null if it is not known. */
  endOf(place: TopicPartition): number | null {
    return this.#owned.get(place)?.fetched.end ?? null
  }

  committed(place: TopicPartition): Promise<Position | null> {
    return this.#committed.of(place)
  }

  seek(place: TopicPartition, offset: number): void {
    const owned = this.#owned.get(place)
    if (owned !== undefined) this.#fetcher.seek(owned.fetched, offset)
  }

  rejoin(): void {
    this.#member.rejoin()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#options.onClosed(this)
    this.#notify()
    await this.#fetcher.close()
    await this.#member.close()
    this.#owned.clear()
  }

  // ── Assignment ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #prepare(): Promise<void> {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This consumer is closed', next: 'Subscribe again.' })
    if (this.#failure !== null) {
      const { error, isFinal } = this.#failure
      // A final error is thrown at each poll. Any other error is thrown once, and the next poll tries again.
      if (!isFinal) this.#failure = null
      throw error
    }
    if (this.#hasLost) await this.#lose()
    if (this.#pending !== null) await this.#apply(this.#pending)
  }

  async #lose(): Promise<void> {
    const lost = this.#release(this.#owned.all)
    this.#hasLost = false
    this.#isLosing = true
    try {
      if (lost.length > 0) await this.#options.subscription.listener.lost(lost)
    } finally {
      this.#isLosing = false
    }
  }

  async #apply(assignment: GroupAssignment): Promise<void> {
    const { listener, assignor } = this.#options.subscription
    this.#pending = null
    const wanted = new Set(assignment.partitions.map(partitionName))
    const leaving = this.#owned.all.filter((owned) => !wanted.has(partitionName(owned)))
    try {
      assignor?.received(assignment.data)
      try {
        if (leaving.length > 0) await listener.revoked(leaving.map(topicPartitionOf))
      } finally {
        this.#release(leaving)
      }
      // The member was thrown out or closed while its partitions were released, so the assignment is out of date.
      if (this.#hasLost || this.#closed) return
      const coming = assignment.partitions.filter((place) => !this.#owned.has(place))
      if (coming.length > 0) await this.#take(coming)
    } finally {
      // Some partitions could not be taken, so the member joins again to get them.
      const isShort = assignment.partitions.some((place) => !this.#owned.has(place))
      if (!this.#hasLost && !this.#closed) this.#member.applied({ hasLetGo: leaving.length > 0 || isShort })
    }
  }

  async #take(coming: readonly TopicPartition[]): Promise<void> {
    const { listener, offsetReset } = this.#options.subscription
    const committed = await this.#committed.read(coming)
    const without = coming.filter((_, at) => committed[at] === null)
    const edges = await edgeOffsets(this.#cluster, without, offsetReset)
    const edgeOf = new Map(without.map((place, at) => [place, edges[at]]))
    if (this.#closed) return
    const taken = coming.map((place, at) => {
      const { topic, partition } = place
      const fetched = new FetchedPartition(topic, partition)
      fetched.seek(committed[at]?.offset ?? edgeOf.get(place) ?? 0)
      return { topic, partition, fetched, paused: false }
    })
    this.#owned.add(taken)
    // Fetching starts while the listener creates its tasks.
    for (const { fetched } of taken) this.#fetcher.add(fetched)
    // The listener asks for the position of each new partition. `knowing` answers from the positions that were just read.
    const positions = new Map(coming.map((place, at) => [partitionName(place), committed[at] ?? null]))
    await this.#committed.knowing(positions, async () => {
      await listener.assigned(coming.map(topicPartitionOf))
    })
  }

  #release(leaving: readonly OwnedPartition[]): readonly TopicPartition[] {
    this.#owned.delete(leaving)
    for (const { fetched } of leaving) this.#fetcher.delete(fetched)
    return leaving.map(topicPartitionOf)
  }

  /** Moves a partition to a new position, because the record at its next offset is deleted. Does nothing while fetched records wait to be polled. */
  async #reset(fetched: FetchedPartition): Promise<void> {
    if (this.#resetting.has(fetched) || !fetched.isEmpty) return
    this.#resetting.add(fetched)
    const { epoch, topic, partition, next } = fetched
    const { outOfRange, offsetReset } = this.#options.subscription
    try {
      const [offset] =
        outOfRange === undefined ? await edgeOffsets(this.#cluster, [fetched], offsetReset) : [await outOfRange({ topic, partition }, next ?? 0)]
      if (fetched.epoch === epoch && this.#owned.ofFetched(fetched) !== undefined) this.#fetcher.seek(fetched, offset ?? 0)
    } catch (thrown) {
      if (!this.#closed) this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)))
    } finally {
      this.#resetting.delete(fetched)
    }
  }

  // ── Records ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #collect(maxRecords: number): readonly RecordRun[] {
    const runs: RecordRun[] = []
    let left = maxRecords
    for (const { topic, partition, fetched } of this.#owned.queued()) {
      const records = this.#fetcher.take(fetched, left)
      if (records.length === 0) continue
      left -= records.length
      runs.push({ topic, partition, records })
      if (left <= 0) break
    }
    return runs
  }

  #fail(error: Error, isFinal = false): void {
    if (this.#failure === null || isFinal) this.#failure = { error, isFinal }
    this.#notify()
  }

  #notify(): void {
    this.#wait.end()
  }

  #setPaused(partitions: readonly TopicPartition[], isPaused: boolean): void {
    for (const place of partitions) {
      const owned = this.#owned.get(place)
      if (owned === undefined) continue
      owned.paused = isPaused
      this.#owned.look(owned)
    }
  }
}

function topicPartitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
