import { encodeConsumerProtocolAssignment, encodeConsumerProtocolSubscription } from '@platformatic/kafka'
import { type GroupAssignment, type GroupAssignor, type GroupMember, partitionName, type TopicPartition } from '../../../../processor/ports.ts'
import type { JoinedMember } from '../cluster/kafka-client.ts'
import { WireReader } from '../wire/wire.ts'

/** A member's metadata in JoinGroup. It has the format of version 3 of Kafka's consumer protocol, so that Kafka's tools can show the group. */
export interface MemberSubscription {
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** The generation that assigned `owned`; -1 for a new member. */
  readonly generation: number
  readonly data: Uint8Array
}

export function encodeSubscription({ topics, owned, generation, data }: MemberSubscription): Buffer {
  return encodeConsumerProtocolSubscription({
    version: 3,
    topics: [...topics],
    userData: Buffer.from(data),
    ownedPartitions: byTopic(owned),
    generationId: generation,
  })
}

export function encodeAssignment({ partitions, data }: GroupAssignment): Buffer {
  return encodeConsumerProtocolAssignment({ version: 3, assignedPartitions: byTopic(partitions), userData: Buffer.from(data) })
}

export function decodeAssignment(bytes: Buffer): GroupAssignment {
  if (bytes.length === 0) return { partitions: [], data: new Uint8Array(0) }
  const reader = new WireReader(bytes)
  reader.int16()
  return { partitions: readPlaces(reader), data: reader.raw(reader.count()) }
}

/**
 * The leader's assignment by incremental cooperative rebalancing (KIP-429). A partition that moves to another member is first assigned to nobody. Its
 * old owner then releases it and joins again, and the next rebalance assigns it.
 */
export function assignCooperatively(
  joined: readonly JoinedMember[],
  assignor: GroupAssignor,
  partitionsOf: (topic: string) => number,
): ReadonlyMap<string, GroupAssignment> {
  const owners = new Map<string, { readonly member: string; readonly generation: number }>()
  const subscriptions = joined.map(({ id, instanceId, metadata }) => {
    const { topics, owned, generation, data } = subscriptionOf(metadata)
    return {
      id,
      instanceId,
      topics,
      owned,
      generation,
      data,
    }
  })
  for (const { id, owned, generation } of subscriptions) {
    for (const place of owned) {
      const name = partitionName(place)
      const other = owners.get(name)
      // Two members may claim one partition, if one of them was disconnected. The claim with the higher generation counts.
      if (other === undefined || other.generation < generation) owners.set(name, { member: id, generation })
    }
  }
  const members: GroupMember[] = subscriptions.map(({ id, instanceId, topics, owned, data }) => ({
    id,
    instanceId,
    topics,
    owned: owned.filter((place) => owners.get(partitionName(place))?.member === id),
    data,
  }))
  const wanted = assignor.assign(members, partitionsOf)
  const assigned = new Map<string, GroupAssignment>()
  for (const { id } of members) {
    const { partitions = [], data = new Uint8Array(0) } = wanted.get(id) ?? {}
    const isFree = (place: TopicPartition) => {
      const owner = owners.get(partitionName(place))?.member
      return owner === undefined || owner === id
    }
    assigned.set(id, { partitions: partitions.filter(isFree), data })
  }
  return assigned
}

/** True if an assignment takes a partition from a static member that reads it. The member releases the partition, and then joins again. */
export function takesFromStatic(joined: readonly JoinedMember[], assigned: ReadonlyMap<string, GroupAssignment>): boolean {
  return joined.some(({ id, instanceId, metadata }) => {
    if (instanceId === null) return false
    const kept = new Set(assigned.get(id)?.partitions.map(partitionName))
    return subscriptionOf(metadata).owned.some((place) => !kept.has(partitionName(place)))
  })
}

export function topicsOf(joined: readonly JoinedMember[]): ReadonlySet<string> {
  return new Set(joined.flatMap(({ metadata }) => subscriptionOf(metadata).topics))
}

/** The subscription of a member. Metadata that cannot be read counts as a subscription to nothing, so such a member gets no partitions. */
function subscriptionOf(metadata: Buffer): MemberSubscription {
  try {
    return decodeSubscription(metadata)
  } catch {
    return { topics: [], owned: [], generation: -1, data: new Uint8Array(0) }
  }
}

/** Decodes versions 0 to 3. Fields that an older version does not have stay empty. */
function decodeSubscription(metadata: Buffer): MemberSubscription {
  const reader = new WireReader(metadata)
  reader.int16()
  const topics: string[] = []
  for (let left = reader.count(); left > 0; left--) topics.push(reader.plainText())
  const data = reader.raw(reader.count())
  const owned = reader.isDone ? [] : readPlaces(reader)
  const generation = reader.isDone ? -1 : reader.int32()
  return { topics, owned, generation, data }
}

function readPlaces(reader: WireReader): readonly TopicPartition[] {
  const places: TopicPartition[] = []
  for (let topics = reader.count(); topics > 0; topics--) {
    const topic = reader.plainText()
    for (let left = reader.count(); left > 0; left--) places.push({ topic, partition: reader.int32() })
  }
  return places
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, ones]) => ({ topic, partitions: ones.map(({ partition }) => partition) }))
}
