import {
  type Consumer,
  type GroupAssignment,
  type Position,
  placeName,
  type RecordRun,
  type Subscription,
  type TopicPartition,
} from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { Cluster } from './cluster.ts'
import { FetchedPartition } from './fetched-partition.ts'
import { Fetcher } from './fetcher.ts'
import { GroupMember } from './group-member.ts'
import { committedOffsets, edgeOffsets, type GroupMembership } from './offsets.ts'
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
  /** Others may have its partitions; the caller of `poll` hears of it in the next one. */
  readonly onLost: () => void
}

interface Owned extends TopicPartition {
  readonly fetched: FetchedPartition
  paused: boolean
}

/** A member of a group that reads ahead: between two polls records come in, and rebalances go on. */
export class GroupConsumer implements Consumer {
  readonly #options: GroupConsumerOptions
  readonly #cluster: Cluster
  readonly #fetcher: Fetcher
  readonly #member: GroupMember
  readonly #owned = new Map<string, Owned>()
  readonly #byFetched = new Map<FetchedPartition, Owned>()
  #order: Owned[] = []
  #first = 0
  #pending: GroupAssignment | null = null
  #hasLost = false
  /** The listener is being told which partitions are lost. */
  #isLosing = false
  #failure: { readonly error: Error; readonly isFinal: boolean } | null = null
  readonly #resetting = new Set<FetchedPartition>()
  #wait: (() => void) | null = null
  #woken = false
  #closed = false
  /** Committed positions of the partitions that `assigned` is being told of: it asks for each of them. */
  #fresh: ReadonlyMap<string, Position | null> | null = null
  #asked: { readonly place: TopicPartition; resolve(position: Position | null): void; reject(error: unknown): void }[] = []

  constructor(options: GroupConsumerOptions) {
    const { cluster, name, subscription } = options
    this.#options = options
    this.#cluster = cluster
    this.#fetcher = new Fetcher({
      cluster,
      name,
      maxBytes: options.maxAheadBytes,
      onAnswer: (partition) => {
        if (!partition.isEmpty && this.#byFetched.get(partition)?.paused === false) this.#notify()
      },
      onUnreadable: (_, gap, cause) => subscription.onUnreadable?.(gap, cause),
      onOutOfRange: (partition) => void this.#reset(partition),
      onError: (error) => this.#fail(error),
      // The group's leader sees that the topic is gone, and assigns its partitions to nobody.
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
      owned: () => [...this.#owned.values()].map(({ topic, partition }) => ({ topic, partition })),
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

  /** The membership that commits a position of this partition; null where this member does not own it. */
  memberOf(place: TopicPartition): GroupMembership | null {
    return this.hasLost || !this.#owned.has(placeName(place)) ? null : this.#member.membership
  }

  /** Others may have its partitions, and the listener has not heard of it. */
  get hasLost(): boolean {
    return this.#hasLost || this.#isLosing || this.#failure?.isFinal === true
  }

  /**
   * Nobody else can have been given the partitions that it reads: records that are written from them now come before those of the next owner. A member
   * without partitions has nothing to give away.
   */
  get holdsSeat(): boolean {
    return !this.hasLost && (this.#owned.size === 0 || this.#member.holdsSeat)
  }

  async poll({ maxRecords, maxWaitMs }: { readonly maxRecords: number; readonly maxWaitMs: number }): Promise<readonly RecordRun[]> {
    await this.#settle()
    const runs = this.#collect(maxRecords)
    if (runs.length > 0 || maxWaitMs <= 0 || this.#takeWoken()) return runs
    await this.#waitFor(maxWaitMs)
    this.#takeWoken()
    await this.#settle()
    return this.#collect(maxRecords)
  }

  wakeup(): void {
    if (this.#wait === null) this.#woken = true
    else this.#notify()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const owned of this.#of(partitions)) owned.paused = true
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const owned of this.#of(partitions)) owned.paused = false
    this.wakeup()
  }

  hasMore(place: TopicPartition): boolean {
    return this.#owned.get(placeName(place))?.fetched.mayHaveMore ?? false
  }

  /** As of the last fetch response that had records, or said that there are none. */
  endOf(place: TopicPartition): number | null {
    return this.#owned.get(placeName(place))?.fetched.end ?? null
  }

  committed(place: TopicPartition): Promise<Position | null> {
    const fresh = this.#fresh?.get(placeName(place))
    if (fresh !== undefined) return Promise.resolve(fresh)
    return new Promise((resolve, reject) => {
      this.#asked.push({ place, resolve, reject })
      // Positions that are asked for in one turn share a request.
      if (this.#asked.length === 1) queueMicrotask(() => void this.#answerCommitted())
    })
  }

  seek(place: TopicPartition, offset: number): void {
    const owned = this.#owned.get(placeName(place))
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

  async #settle(): Promise<void> {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: 'This consumer is closed', next: 'Subscribe again.' })
    if (this.#failure !== null) {
      const { error, isFinal } = this.#failure
      // The next poll tries again, and throws again where it still fails.
      if (!isFinal) this.#failure = null
      throw error
    }
    if (this.#hasLost) await this.#lose()
    if (this.#pending !== null) await this.#apply(this.#pending)
  }

  async #lose(): Promise<void> {
    const lost = this.#release([...this.#owned.values()])
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
    const wanted = new Set(assignment.partitions.map(placeName))
    const leaving = [...this.#owned].flatMap(([name, owned]) => (wanted.has(name) ? [] : [owned]))
    try {
      assignor?.received(assignment.data)
      try {
        if (leaving.length > 0) await listener.revoked(leaving.map(topicPartitionOf))
      } finally {
        this.#release(leaving)
      }
      // Lost or closed meanwhile: this assignment does not count any more.
      if (this.#hasLost || this.#closed) return
      const coming = assignment.partitions.filter((place) => !this.#owned.has(placeName(place)))
      if (coming.length > 0) await this.#take(coming)
    } finally {
      // Joins again for partitions that could not be taken.
      const isShort = assignment.partitions.some((place) => !this.#owned.has(placeName(place)))
      if (!this.#hasLost && !this.#closed) this.#member.applied({ hasLetGo: leaving.length > 0 || isShort })
    }
  }

  async #take(coming: readonly TopicPartition[]): Promise<void> {
    const { listener, offsetReset, group } = this.#options.subscription
    const committed = await committedOffsets(this.#cluster, group, coming)
    const without = coming.filter((_, at) => committed[at] === null)
    const edges = await edgeOffsets(this.#cluster, without, offsetReset)
    if (this.#closed) return
    const taken = coming.map(({ topic, partition }, at) => {
      const fetched = new FetchedPartition(topic, partition)
      const place = coming[at]
      fetched.seek(committed[at]?.offset ?? edges[place === undefined ? -1 : without.indexOf(place)] ?? 0)
      return { topic, partition, fetched, paused: false }
    })
    for (const owned of taken) {
      this.#owned.set(placeName(owned), owned)
      this.#byFetched.set(owned.fetched, owned)
    }
    this.#order = [...this.#owned.values()]
    // Records are fetched while the listener makes its tasks.
    for (const { fetched } of taken) this.#fetcher.add(fetched)
    this.#fresh = new Map(coming.map((place, at) => [placeName(place), committed[at] ?? null]))
    try {
      await listener.assigned(coming.map(topicPartitionOf))
    } finally {
      this.#fresh = null
    }
  }

  #release(leaving: readonly Owned[]): readonly TopicPartition[] {
    for (const owned of leaving) {
      this.#owned.delete(placeName(owned))
      this.#byFetched.delete(owned.fetched)
      this.#fetcher.delete(owned.fetched)
    }
    this.#order = [...this.#owned.values()]
    return leaving.map(topicPartitionOf)
  }

  /** Finds a new position where the broker does not keep the old one. Records that were fetched are polled first. */
  async #reset(fetched: FetchedPartition): Promise<void> {
    if (this.#resetting.has(fetched) || !fetched.isEmpty) return
    this.#resetting.add(fetched)
    const { epoch, topic, partition, next } = fetched
    const { outOfRange, offsetReset } = this.#options.subscription
    try {
      const [offset] =
        outOfRange === undefined ? await edgeOffsets(this.#cluster, [fetched], offsetReset) : [await outOfRange({ topic, partition }, next ?? 0)]
      if (fetched.epoch === epoch && this.#byFetched.has(fetched)) this.#fetcher.seek(fetched, offset ?? 0)
    } catch (thrown) {
      if (!this.#closed) this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)))
    } finally {
      this.#resetting.delete(fetched)
    }
  }

  // ── Records ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #collect(maxRecords: number): readonly RecordRun[] {
    const runs: RecordRun[] = []
    const order = this.#order
    let left = maxRecords
    for (let step = 0; step < order.length && left > 0; step++) {
      const owned = order[(this.#first + step) % order.length]
      if (owned === undefined || owned.paused || owned.fetched.isEmpty) continue
      const records = this.#fetcher.take(owned.fetched, left)
      if (records.length === 0) continue
      left -= records.length
      runs.push({ topic: owned.topic, partition: owned.partition, records })
    }
    this.#first = order.length === 0 ? 0 : (this.#first + 1) % order.length
    return runs
  }

  async #answerCommitted(): Promise<void> {
    const asked = this.#asked.splice(0)
    try {
      const positions = await committedOffsets(
        this.#cluster,
        this.group,
        asked.map(({ place }) => place),
      )
      asked.forEach(({ resolve }, at) => {
        resolve(positions[at] ?? null)
      })
    } catch (thrown) {
      for (const { reject } of asked) reject(thrown)
    }
  }

  #fail(error: Error, isFinal = false): void {
    if (this.#failure === null || isFinal) this.#failure = { error, isFinal }
    this.#notify()
  }

  #notify(): void {
    this.#wait?.()
  }

  #takeWoken(): boolean {
    const woken = this.#woken
    this.#woken = false
    return woken
  }

  #waitFor(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#wait = null
        resolve()
      }
      const cancel = this.#cluster.clock.after(maxWaitMs, done)
      this.#wait = done
    })
  }

  #of(partitions: readonly TopicPartition[]): readonly Owned[] {
    return partitions.flatMap((place) => this.#owned.get(placeName(place)) ?? [])
  }
}

function topicPartitionOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
