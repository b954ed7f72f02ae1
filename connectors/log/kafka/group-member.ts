import type { GroupAssignment, GroupAssignor, TopicPartition } from '../../../processor/ports.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'
import { BrokerError, isPassing, toWaggleError } from './broker-error.ts'
import type { Cluster } from './cluster.ts'
import type { Broker, Lane } from './connections.ts'
import { assignCooperatively, decodeAssignment, encodeAssignment, encodeSubscription, topicsOf } from './group-protocol.ts'
import { type GroupMembership, noMember } from './offsets.ts'
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
  /** What it reads now; asked when it joins. */
  readonly owned: () => readonly TopicPartition[]
  /** It is decided what to read: to be taken up, then `applied`. */
  readonly onAssigned: (assignment: GroupAssignment) => void
  /** Not a member any more: others may have what it read. It joins again by itself. */
  readonly onLost: () => void
  /** It cannot be a member: for now, or, where another has its name, for good. */
  readonly onError: (error: WaggleError, options: { readonly isFinal: boolean }) => void
}

/**
 * Membership of one group (KIP-429 on the classic protocol): joins, hears what to read, and keeps its seat with heartbeats.
 *
 *     joining ─► waiting to be applied ─► member ─┐   a rebalance, or something was let go
 *        ▲                                        │
 *        └────────────────────────────────────────┘
 *
 * What it reads goes on being read meanwhile.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions
  readonly #cluster: Cluster
  readonly #joinLane: Lane
  readonly #syncLane: Lane
  readonly #heartbeatLane: Lane
  readonly #place: Seat
  #memberId = ''
  #generation = -1
  /** Of what is read now: also when this member has joined since, or is none any more. */
  #membership: GroupMembership = noMember
  #isPending = false
  #mustJoin = true
  /** Somebody wants another round, and has not been in the one under way. */
  #isAskedAgain = false
  #settled: (() => void)[] = []
  #nudge: (() => void) | null = null
  /** What the leader looks after: topics of all members, and how many partitions they had. */
  #watched: ReadonlySet<string> = new Set()
  #partitionCounts = ''
  #isLeader = false
  #lastCheckMs = 0
  #closed = false
  #loop: Promise<void>

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#joinLane = { name: `${options.name} join`, requestTimeoutMs: options.rebalanceTimeoutMs + 5000 }
    // Whoever is thrown out between joining and this is never answered; those who wait for a dead leader are, by the end of its session.
    this.#syncLane = { name: `${options.name} sync`, requestTimeoutMs: options.sessionTimeoutMs + 5000 }
    // A coordinator that has frozen is given up while there is time to find the next one.
    this.#heartbeatLane = { name: `${options.name} heartbeat`, requestTimeoutMs: Math.min(maxHeartbeatMs, options.sessionTimeoutMs / 3) }
    this.#place = new Seat({ ...options, clock: this.#cluster.clock })
    this.#loop = this.#run()
  }

  /** Who commits are made as. */
  get membership(): GroupMembership {
    return this.#membership
  }

  /** A rebalance is under way: what is refused for its generation may be taken when it is over. */
  get isRebalancing(): boolean {
    return this.#mustJoin && !this.#closed
  }

  /** Its place cannot have been given to another yet. False does not say that it has. */
  get isSeated(): boolean {
    return this.#place.isHeld
  }

  /** When this member is of another generation than that. */
  settled(generation: number): Promise<void> {
    if (this.#closed || this.#membership.generation !== generation) return Promise.resolve()
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  rejoin(): void {
    this.#mustJoin = true
    this.#isAskedAgain = true
    this.#nudge?.()
  }

  /** What was decided is taken up; where something was let go, others wait for it. */
  applied({ hasLetGo }: { readonly hasLetGo: boolean }): void {
    this.#isPending = false
    if (hasLetGo) this.#mustJoin = true
    this.#nudge?.()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#nudge?.()
    this.#settle()
    await this.#closeLanes()
    await this.#loop
    // One with a name of its own comes back.
    if (this.#memberId !== '' && this.#options.instanceId === null && !this.#cluster.isClosed) {
      const { client } = this.#cluster
      const { group } = this.#options
      await this.#cluster
        .withCoordinator('group', group, (broker) => client.leaveGroup({ broker, lane: this.#heartbeatLane }, group, this.#seat))
        .catch(() => {})
    }
    await this.#closeLanes()
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        if (this.#mustJoin && !this.#isPending) await this.#join()
        else await this.#keepSeat()
        failures = 0
      } catch (thrown) {
        if (this.#closed) return
        if (!this.#mayGoOn(thrown)) {
          const isFinal = thrown instanceof BrokerError && thrown.error === 'FENCED_INSTANCE_ID'
          this.#options.onError(toWaggleError(thrown, `This process cannot be a member of the group ${this.#options.group}`), { isFinal })
          if (isFinal) {
            this.#closed = true
            this.#settle()
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
    this.#settle()
    if (this.#generation >= 0) this.#options.onLost()
    this.#memberId = ''
    this.#generation = -1
    this.#place.lose()
    this.#isPending = false
    this.#mustJoin = true
  }

  // ── Joining ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #join(): Promise<void> {
    const { group, assignor, topics, instanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const { client } = this.#cluster
    this.#isAskedAgain = false
    // What it had before it was thrown out may be another's, also while nobody here has heard of it.
    const owned = this.#generation < 0 ? [] : this.#options.owned()
    const metadata = encodeSubscription({ topics, owned, generation: this.#generation, data: assignor.memberData() })
    const wish = { group, memberId: this.#memberId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocol: assignor.name, metadata }
    const joined = await this.#withHeartbeats(this.#coordinated((broker) => client.joinGroup({ broker, lane: this.#joinLane }, wish)))
    this.#memberId = joined.memberId
    if (!joined.isKnown) return
    this.#isLeader = joined.leader === joined.memberId
    if (this.#isLeader) await this.#watch(topicsOf(joined.members))
    const assignments = this.#isLeader && !joined.isDecided ? this.#decide(joined.members) : []
    const member = { memberId: joined.memberId, generation: joined.generation, instanceId }
    const assignment = await this.#place.hears(() =>
      this.#coordinated((broker) => client.syncGroup({ broker, lane: this.#syncLane }, group, { member, protocol: assignor.name, assignments })),
    )
    if (this.#closed) return
    this.#generation = joined.generation
    this.#membership = member
    this.#mustJoin = this.#isAskedAgain
    this.#isPending = true
    this.#lastCheckMs = this.#cluster.clock.elapsedMs()
    this.#settle()
    this.#options.onAssigned(decodeAssignment(assignment))
  }

  async #watch(topics: ReadonlySet<string>): Promise<void> {
    await this.#cluster.refresh(topics)
    this.#watched = topics
    this.#partitionCounts = this.#countPartitions(topics)
  }

  #decide(members: Parameters<typeof assignCooperatively>[0]) {
    const assigned = assignCooperatively(members, this.#options.assignor, (topic) => this.#cluster.lastPartitionsOf(topic))
    return [...assigned].map(([memberId, assignment]) => ({ memberId, assignment: encodeAssignment(assignment) }))
  }

  // ── Membership ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #keepSeat(): Promise<void> {
    await this.#wait(this.#options.heartbeatIntervalMs)
    if (this.#closed || (this.#mustJoin && !this.#isPending)) return
    await this.#heartbeat()
    await this.#checkTopics()
  }

  async #heartbeat({ isJoining = false } = {}): Promise<void> {
    const { client } = this.#cluster
    const beat = (broker: Broker) => client.heartbeat({ broker, lane: this.#heartbeatLane }, this.#options.group, this.#seat)
    await this.#place.hears(() => this.#coordinated(beat), { isJoining })
  }

  /** Others may be long in coming. What the coordinator says of the member, it says in its answer to the joining. */
  async #withHeartbeats<T>(joining: Promise<T>): Promise<T> {
    let isOver = false
    const over = joining.finally(() => {
      isOver = true
      this.#nudge?.()
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
      // A coordinator that was away, or is another one now, may never answer what it was asked before.
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
      await this.#wait(this.#options.heartbeatIntervalMs)
      if (!isOver && !this.#closed) await Promise.race([ended, beat()])
    }
    return over
  }

  /** The leader sees to it that new partitions are read. */
  async #checkTopics(): Promise<void> {
    const now = this.#cluster.clock.elapsedMs()
    if (!this.#isLeader || now - this.#lastCheckMs < topicCheckMs) return
    this.#lastCheckMs = now
    await this.#cluster.refresh(this.#watched)
    if (this.#countPartitions(this.#watched) !== this.#partitionCounts) this.#mustJoin = true
  }

  #countPartitions(topics: Iterable<string>): string {
    return [...topics]
      .sort()
      .map((topic) => `${topic} ${this.#cluster.lastPartitionsOf(topic)}`)
      .join('\n')
  }

  get #seat(): GroupMembership {
    return { memberId: this.#memberId, generation: this.#generation, instanceId: this.#options.instanceId }
  }

  #coordinated<T>(ask: (broker: Broker) => Promise<T>): Promise<T> {
    return this.#cluster.withCoordinator('group', this.#options.group, (broker) => {
      // A round that it begins now would be waited for.
      if (this.#closed) throw new BrokerError('CLOSED')
      return ask(broker)
    })
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#nudge = null
        resolve()
      }
      const cancel = this.#cluster.clock.after(delayMs, done)
      this.#nudge = done
    })
  }

  #settle(): void {
    for (const resolve of this.#settled.splice(0)) resolve()
  }

  #closeLanes(): Promise<void> {
    const names = new Set([this.#joinLane.name, this.#syncLane.name, this.#heartbeatLane.name])
    return this.#cluster.client.closeLanes((name) => names.has(name))
  }
}

const topicCheckMs = 5000
const maxHeartbeatMs = 10_000
