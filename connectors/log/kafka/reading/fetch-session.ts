import { partitionName, type TopicPartition } from '../../../../processor/ports.ts'
import type { Broker, Lane } from '../cluster/connections.ts'
import type { FetchAsk, SessionAsk } from '../wire/fetch-request.ts'
import type { FetchedPartition } from './fetched-partition.ts'

interface Member {
  readonly partition: FetchedPartition
  /** The last offset that was requested from the broker; null before the first request. */
  offset: number | null
}

/**
 * A fetch session at one broker (KIP-227). The broker remembers the partitions of the session and their offsets. A request names only the changes,
 * and an answer contains only partitions with new records or a new end. So quiet partitions cost nothing. A session has at most one request on its
 * way, and partitions join it only between two requests.
 */
export class FetchSession {
  readonly broker: Broker
  readonly lane: Lane
  isWaiting = false
  readonly #members = new Map<string, Member>()
  readonly #changed = new Set<Member>()
  /** Partitions that have left the session. The next request tells the broker. */
  readonly #left = new Map<string, TopicPartition>()
  #id = 0
  #epoch = 0

  constructor(broker: Broker, lane: Lane) {
    this.broker = broker
    this.lane = lane
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  /** The session's partition of this name. Several readers may read the same partition, but a session can serve only one reader of the partition. */
  holder(name: string): FetchedPartition | null {
    return this.#members.get(name)?.partition ?? null
  }

  /** True if the broker was asked for this partition since the partition joined. */
  hasAsked(name: string): boolean {
    return (this.#members.get(name)?.offset ?? null) !== null
  }

  /**
   * A broker reports the end of a partition only when the partition is new in the session. So a partition that leaves and joins again begins a new
   * session.
   */
  join(partition: FetchedPartition): void {
    const name = partitionName(partition)
    if (this.#left.has(name)) this.restart()
    const member = { partition, offset: null }
    this.#members.set(name, member)
    this.#changed.add(member)
  }

  leave(partition: FetchedPartition): void {
    const name = partitionName(partition)
    const member = this.#members.get(name)
    if (member === undefined || member.partition !== partition) return
    this.#members.delete(name)
    this.#changed.delete(member)
    if (member.offset !== null) this.#left.set(name, { topic: partition.topic, partition: partition.partition })
  }

  /** Records that the next offset of the partition may have changed. */
  moved(partition: FetchedPartition): void {
    const member = this.#members.get(partitionName(partition))
    if (member?.partition === partition && member.offset !== partition.next) this.#changed.add(member)
  }

  take(): SessionAsk {
    const isWhole = this.#epoch === 0
    const asks = Array.from(isWhole ? this.#members.values() : this.#changed, (member): FetchAsk => {
      const { topic, partition, next } = member.partition
      member.offset = next ?? 0
      return { topic, partition, offset: member.offset }
    })
    const forgotten = isWhole ? [] : [...this.#left.values()]
    this.#changed.clear()
    this.#left.clear()
    return { session: this.#id, epoch: this.#epoch, asks, forgotten }
  }

  /** Records the session id of an answer. A broker without room for another session answers with the id 0. Each request then names all partitions. */
  answered(id: number): void {
    this.#id = id
    this.#epoch = id === 0 ? 0 : this.#epoch === maxEpoch ? 1 : this.#epoch + 1
  }

  /** Begins a new session with the next request. The broker drops the old session. */
  restart(): void {
    this.#epoch = 0
    this.#left.clear()
  }

  /** Removes all partitions, because the broker's side of the session is unknown. */
  clear(): readonly FetchedPartition[] {
    const partitions = Array.from(this.#members.values(), ({ partition }) => partition)
    this.#members.clear()
    this.#changed.clear()
    this.restart()
    this.#id = 0
    return partitions
  }
}

const maxEpoch = 0x7fffffff
