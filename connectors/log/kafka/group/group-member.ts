import type { GroupAssignment, GroupAssignor, TopicPartition } from '../../../../processor/ports.ts'
import { InterruptibleWait } from '../../../../topology/interruptible-wait.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'
import { BrokerError, isPassing, toWaggleError } from '../cluster/broker-error.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Broker, Lane } from '../cluster/connections.ts'
import { type GroupMembership, noMember } from '../cluster/offsets.ts'
import { assignCooperatively, decodeAssignment, encodeAssignment, encodeSubscription, takesFromStatic, topicsOf } from './group-protocol.ts'
import { PartitionCounts } from './partition-counts.ts'
import { Seat } from './seat.ts'

export interface GroupMemberOptions {
  readonly cluster: Cluster
  readonly name: string
  readonly group: string
  readonly topics: readonly string[]
  readonly assignor: GroupAssignor
  readonly instanceId: string | null
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  /** The partitions that the member reads now. Each JoinGroup names these partitions. */
  readonly owned: () => readonly TopicPartition[]
  /** Called with a new assignment. The consumer takes the assignment up, and then calls `applied`. */
  readonly onAssigned: (assignment: GroupAssignment) => void
  /**
   * Called when the coordinator has removed the member from the group. Other members may then have its partitions. The member joins the group again
   * by itself.
   */
  readonly onLost: () => void
  /** Called when the process cannot be a member. With `isFinal`, another process has the same instance id, and this member stops. */
  readonly onError: (error: WaggleError, options: { readonly isFinal: boolean }) => void
}

/**
 * Membership of one group (KIP-429 on the classic protocol): the member joins the group, gets its partitions, and holds its seat with heartbeats.
 *
 *     joining ─► waiting to be applied ─► member ─┐   a rebalance, or a partition was released
 *        ▲                                        │
 *        └────────────────────────────────────────┘
 *
 * The consumer of the member continues to read during a rebalance.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions
  readonly #cluster: Cluster
  readonly #joinLane: Lane
  readonly #syncLane: Lane
  readonly #heartbeatLane: Lane
  readonly #seat: Seat
  #memberId = ''
  #generation = -1
  /**
   * The membership under which the current partitions were assigned. It stays the same while the member joins again, and after the member is thrown
   * out.
   */
  #membership: GroupMembership = noMember
  #isPending = false
  #mustJoin = true
  /** True if `rejoin` was called during a JoinGroup, so that another JoinGroup must follow. */
  #isAskedAgain = false
  #waitingForNextGeneration: (() => void)[] = []
  readonly #wait: InterruptibleWait
  readonly #partitionCounts: PartitionCounts
  #isLeader = false
  /**
   * The time at which the leader starts another rebalance; infinite if none is due. A member that must release partitions joins again, and the
   * partitions then go to their new owner. If a static member is killed in between, it returns without a rebalance, and without this time nobody
   * would read the partitions. For a member without an instance id the end of its session starts a rebalance.
   */
  #handOverByMs = Number.POSITIVE_INFINITY
  #closed = false
  #loop: Promise<void>

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#partitionCounts = new PartitionCounts(options.cluster)
    this.#wait = new InterruptibleWait(options.cluster.clock)
    this.#joinLane = { name: `${options.name} join`, requestTimeoutMs: options.rebalanceTimeoutMs + 5000 }
    // The timeout of a SyncGroup request. A member that is thrown out gets no response. If the leader of the group has died, the response comes when
    // the leader's session ends.
    this.#syncLane = { name: `${options.name} sync`, requestTimeoutMs: options.sessionTimeoutMs + 5000 }
    // A heartbeat times out early. If its coordinator is frozen, the member can then find the next coordinator within its session.
    this.#heartbeatLane = { name: `${options.name} heartbeat`, requestTimeoutMs: Math.min(maxHeartbeatMs, options.sessionTimeoutMs / 3) }
    this.#seat = new Seat({ ...options, clock: this.#cluster.clock })
    this.#loop = this.#run()
  }

  get membership(): GroupMembership {
    return this.#membership
  }

  /** True during a rebalance. A commit that fails during a rebalance, because the generation has changed, may succeed afterwards. */
  get isRebalancing(): boolean {
    return this.#mustJoin && !this.#closed
  }

  /** True while no other member can have this member's seat. */
  get holdsSeat(): boolean {
    return this.#seat.isHeld
  }

  /** Settles when the member has a different generation, or the member is closed. */
  generationEnded(generation: number): Promise<void> {
    if (this.#closed || this.#membership.generation !== generation) return Promise.resolve()
    return new Promise((resolve) => this.#waitingForNextGeneration.push(resolve))
  }

  rejoin(): void {
    this.#mustJoin = true
    this.#isAskedAgain = true
    this.#wait.end()
  }

  /**
   * The consumer calls this when it has taken an assignment up. `hasLetGo` says that it released partitions. The leader can assign these partitions
   * to other members once this member has joined again.
   */
  applied({ hasLetGo }: { readonly hasLetGo: boolean }): void {
    this.#isPending = false
    if (hasLetGo) this.#mustJoin = true
    this.#wait.end()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wait.end()
    this.#endGeneration()
    await this.#closeLanes()
    await this.#loop
    // A static member does not leave the group. When it returns with its instance id, it still has its seat.
    if (this.#memberId !== '' && this.#options.instanceId === null && !this.#cluster.isClosed) {
      const { client } = this.#cluster
      const { group } = this.#options
      await this.#cluster
        .withCoordinator('group', group, (broker) => client.leaveGroup({ broker, lane: this.#heartbeatLane }, group, this.#latestMembership))
        .catch(() => {})
    }
    await this.#closeLanes()
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        if (this.#mustJoin && !this.#isPending) await this.#join()
        else await this.#holdSeat()
        failures = 0
      } catch (thrown) {
        if (this.#closed) return
        if (!this.#mayGoOn(thrown)) {
          const isFinal = thrown instanceof BrokerError && thrown.error === 'FENCED_INSTANCE_ID'
          this.#options.onError(toWaggleError(thrown, `This process cannot be a member of the group ${this.#options.group}`), { isFinal })
          if (isFinal) {
            this.#closed = true
            this.#endGeneration()
            return
          }
        }
        await this.#cluster.backOff(failures++)
      }
    }
  }

  #mayGoOn(thrown: unknown): boolean {
    const error = thrown instanceof BrokerError ? thrown.error : ''
    if (error === 'UNKNOWN_MEMBER_ID' || error === 'ILLEGAL_GENERATION') {
      this.#lose()
      return true
    }
    if (error === 'REBALANCE_IN_PROGRESS') {
      this.#mustJoin = true
      return true
    }
    return isPassing(thrown)
  }

  #lose(): void {
    this.#endGeneration()
    if (this.#generation >= 0) this.#options.onLost()
    this.#memberId = ''
    this.#generation = -1
    this.#seat.lose()
    this.#isPending = false
    this.#mustJoin = true
  }

  // ── Joining ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #join(): Promise<void> {
    const { group, assignor, topics, instanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const { client } = this.#cluster
    this.#isAskedAgain = false
    // A member that was removed from the group may have lost its partitions, so it claims none, even if its consumer does not know of the loss yet.
    const owned = this.#generation < 0 ? [] : this.#options.owned()
    const metadata = encodeSubscription({ topics, owned, generation: this.#generation, data: assignor.memberData() })
    const wish = { group, memberId: this.#memberId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocol: assignor.name, metadata }
    const joined = await this.#withHeartbeats(this.#coordinated((broker) => client.joinGroup({ broker, lane: this.#joinLane }, wish)))
    this.#memberId = joined.memberId
    if (!joined.isKnown) return
    this.#isLeader = joined.leader === joined.memberId
    this.#handOverByMs = Number.POSITIVE_INFINITY
    if (this.#isLeader) await this.#partitionCounts.watch(topicsOf(joined.members))
    const assignments = this.#isLeader && !joined.isDecided ? this.#decide(joined.members) : []
    const member = { memberId: joined.memberId, generation: joined.generation, instanceId }
    const assignment = await this.#seat.hears(() =>
      this.#coordinated((broker) => client.syncGroup({ broker, lane: this.#syncLane }, group, { member, protocol: assignor.name, assignments })),
    )
    if (this.#closed) return
    this.#generation = joined.generation
    this.#membership = member
    // A leader that returned does not know whether its last assignment was carried out by all members, so it makes another one.
    this.#mustJoin = this.#isAskedAgain || (this.#isLeader && joined.isDecided)
    this.#isPending = true
    this.#partitionCounts.postponeCheck()
    this.#endGeneration()
    this.#options.onAssigned(decodeAssignment(assignment))
  }

  #decide(members: Parameters<typeof assignCooperatively>[0]) {
    const assigned = assignCooperatively(members, this.#options.assignor, (topic) => this.#cluster.lastPartitionsOf(topic))
    if (takesFromStatic(members, assigned)) this.#handOverByMs = this.#cluster.clock.elapsedMs() + handOverBeats * this.#options.heartbeatIntervalMs
    return [...assigned].map(([memberId, assignment]) => ({ memberId, assignment: encodeAssignment(assignment) }))
  }

  // ── Membership ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #holdSeat(): Promise<void> {
    await this.#wait.for(this.#options.heartbeatIntervalMs)
    if (this.#closed || (this.#mustJoin && !this.#isPending)) return
    await this.#heartbeat()
    // The leader starts a rebalance when a topic has new partitions.
    if (this.#isLeader && (await this.#partitionCounts.haveChanged())) this.#mustJoin = true
    if (this.#cluster.clock.elapsedMs() >= this.#handOverByMs) this.#mustJoin = true
  }

  async #heartbeat({ isJoining = false } = {}): Promise<void> {
    const { client } = this.#cluster
    const beat = (broker: Broker) => client.heartbeat({ broker, lane: this.#heartbeatLane }, this.#options.group, this.#latestMembership)
    await this.#seat.hears(() => this.#coordinated(beat), { isJoining })
  }

  /** Sends heartbeats while a JoinGroup is open. The coordinator answers it when all members have joined, which may take longer than a session. */
  async #withHeartbeats<T>(joining: Promise<T>): Promise<T> {
    let isOver = false
    const over = joining.finally(() => {
      isOver = true
      this.#wait.end()
    })
    const ended = over.then(
      () => {},
      () => {},
    )
    let mayBeForgotten = false
    const beat = async () => {
      const refused = await this.#heartbeat({ isJoining: true }).then(
        () => null,
        (thrown: unknown) => thrown,
      )
      // If the coordinator was unreachable or has moved, a JoinGroup may never get a response.
      if (isPassing(refused)) {
        mayBeForgotten = true
        return
      }
      if (refused instanceof BrokerError && refused.error === 'UNKNOWN_MEMBER_ID' && this.#generation >= 0) mayBeForgotten = true
      if (!mayBeForgotten) return
      mayBeForgotten = false
      await this.#cluster.client.closeLanes((name) => name === this.#joinLane.name)
    }
    while (!isOver && !this.#closed && this.#memberId !== '') {
      await this.#wait.for(this.#options.heartbeatIntervalMs)
      if (!isOver && !this.#closed) await Promise.race([ended, beat()])
    }
    return over
  }

  /** The membership from the last JoinGroup. `membership` is an older membership until the assignment is applied. */
  get #latestMembership(): GroupMembership {
    return { memberId: this.#memberId, generation: this.#generation, instanceId: this.#options.instanceId }
  }

  #coordinated<T>(ask: (broker: Broker) => Promise<T>): Promise<T> {
    return this.#cluster.withCoordinator('group', this.#options.group, (broker) => {
      // A closed member must not join. Its JoinGroup would start a rebalance, and the other members would wait for the closed member.
      if (this.#closed) throw new BrokerError('CLOSED')
      return ask(broker)
    })
  }

  #endGeneration(): void {
    for (const resolve of this.#waitingForNextGeneration.splice(0)) resolve()
  }

  #closeLanes(): Promise<void> {
    const names = new Set([this.#joinLane.name, this.#syncLane.name, this.#heartbeatLane.name])
    return this.#cluster.client.closeLanes((name) => names.has(name))
  }
}

const maxHeartbeatMs = 10_000
/** A member that must release partitions usually joins again within this many heartbeats. */
const handOverBeats = 4
