import { BrokerError } from '../../../../../connectors/log/kafka/cluster/broker-error.ts'
import type { Joined, JoinWish, KafkaClient, SyncWish } from '../../../../../connectors/log/kafka/cluster/kafka-client.ts'
import type { GroupMembership } from '../../../../../connectors/log/kafka/cluster/offsets.ts'

interface Seat {
  readonly instanceId: string
  id: string
  metadata: Buffer
  assignment: Buffer
  /** Answers the open JoinGroup. */
  joined: ((joined: Joined) => void) | null
  synced: ((assignment: Buffer) => void) | null
}

/**
 * The coordinator of one group of static members (KIP-345, KIP-814), without sessions: no member is ever removed. A member that returns while the
 * group is stable gets its seat and its assignment back, and nobody else notices.
 */
export class SimulatedCoordinator {
  readonly client: KafkaClient
  readonly #seats: Seat[] = []
  #state: 'joining' | 'deciding' | 'stable' = 'joining'
  #generation = 0
  #made = 0

  constructor(topics: ReadonlyMap<string, number>) {
    const broker = { id: 1, host: 'broker', port: 1 }
    const partitionsOf = (count: number) => Array.from({ length: count }, (_, partition) => ({ partition, leader: 1, epoch: 1, replicas: 1 }))
    const found = [...topics].map(([name, count]) => ({ name, errorCode: 0, id: name, isInternal: false, partitions: partitionsOf(count) }))
    const client: Partial<KafkaClient> = {
      metadata: async () => ({ brokers: [broker], controller: 1, topics: found }),
      findCoordinator: async () => broker,
      joinGroup: (_, wish) => this.#join(wish),
      syncGroup: (_, __, wish) => this.#sync(wish),
      heartbeat: async (_, __, member) => this.#heartbeat(member),
      closeLanes: async () => {},
    }
    this.client = client as KafkaClient
  }

  async #join({ memberId, instanceId, metadata }: JoinWish): Promise<Joined> {
    if (instanceId === null) throw new Error('Only static members join this coordinator')
    const seat = this.#seats.find((one) => one.instanceId === instanceId)
    if (seat === undefined) return this.#add({ instanceId, metadata })
    const isBack = memberId === ''
    if (!isBack && memberId !== seat.id) throw new BrokerError('FENCED_INSTANCE_ID')
    const mustDecide = this.#state !== 'stable' || (!isBack && (this.#isLeader(seat) || !metadata.equals(seat.metadata)))
    if (isBack) seat.id = `${instanceId}-${this.#made++}`
    seat.metadata = metadata
    if (mustDecide) return this.#wait(seat)
    return this.#answer(seat, { isDecided: this.#isLeader(seat) })
  }

  #add({ instanceId, metadata }: Pick<Seat, 'instanceId' | 'metadata'>): Promise<Joined> {
    const seat: Seat = { instanceId, metadata, id: `${instanceId}-${this.#made++}`, assignment: Buffer.alloc(0), joined: null, synced: null }
    this.#seats.push(seat)
    return this.#wait(seat)
  }

  /** Begins a rebalance if none is under way. It ends when all members have joined. */
  #wait(seat: Seat): Promise<Joined> {
    this.#state = 'joining'
    const { promise, resolve } = Promise.withResolvers<Joined>()
    seat.joined = resolve
    if (this.#seats.every(({ joined }) => joined !== null)) {
      this.#state = 'deciding'
      this.#generation++
      for (const one of this.#seats) {
        one.joined?.(this.#answer(one, { isDecided: false }))
        one.joined = null
      }
    }
    return promise
  }

  #answer(seat: Seat, { isDecided }: { readonly isDecided: boolean }): Joined {
    const members = this.#isLeader(seat) ? this.#seats.map(({ id, instanceId, metadata }) => ({ id, instanceId, metadata })) : []
    return { isKnown: true, memberId: seat.id, generation: this.#generation, leader: this.#seats[0]?.id ?? '', isDecided, members }
  }

  async #sync({ member, assignments }: SyncWish): Promise<Buffer> {
    const seat = this.#seatOf(member)
    if (this.#state === 'joining') throw new BrokerError('REBALANCE_IN_PROGRESS')
    if (this.#state === 'stable') return seat.assignment
    if (!this.#isLeader(seat)) return new Promise((resolve) => void Object.assign(seat, { synced: resolve }))
    this.#state = 'stable'
    for (const one of this.#seats) {
      one.assignment = assignments.find(({ memberId }) => memberId === one.id)?.assignment ?? Buffer.alloc(0)
      one.synced?.(one.assignment)
      one.synced = null
    }
    return seat.assignment
  }

  #heartbeat(member: GroupMembership): void {
    this.#seatOf(member)
    if (this.#state === 'joining') throw new BrokerError('REBALANCE_IN_PROGRESS')
  }

  #seatOf({ memberId, generation, instanceId }: GroupMembership): Seat {
    const seat = this.#seats.find((one) => one.instanceId === instanceId)
    if (seat === undefined || seat.id !== memberId) throw new BrokerError('FENCED_INSTANCE_ID')
    if (generation !== this.#generation) throw new BrokerError('ILLEGAL_GENERATION')
    return seat
  }

  #isLeader(seat: Seat): boolean {
    return this.#seats[0] === seat
  }
}
