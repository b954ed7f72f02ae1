import { listOffsetsV7, offsetCommitV8, offsetFetchV8 } from '@platformatic/kafka'
import type { Position, TopicPartition } from '../../../processor/ports.ts'
import { BrokerError, errorName, expectNone } from './broker-error.ts'
import { type Cluster, mainLane } from './cluster.ts'
import type { Broker, Lane } from './connections.ts'

export interface GroupMembership {
  readonly memberId: string
  readonly generation: number
  readonly instanceId: string | null
}

export const noMember: GroupMembership = { memberId: '', generation: -1, instanceId: null }

export type CommittedPosition = TopicPartition & Position

/** The committed positions of a group, null where there is none; waits for transactions that are about to change them (KIP-447). */
export function committedOffsets(cluster: Cluster, group: string, partitions: readonly TopicPartition[]): Promise<readonly (Position | null)[]> {
  return cluster.retry(`The positions of ${group} cannot be read`, () =>
    cluster.withCoordinator('group', group, async (broker) => {
      const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, ones]) => ({
        name,
        partitionIndexes: ones.map(({ partition }) => partition),
      }))
      const { groups } = await cluster.connections.call(mainLane, broker, offsetFetchV8.api, [{ groupId: group, memberEpoch: -1, topics }], true)
      const found = groups[0]
      if (found === undefined) throw new BrokerError('COORDINATOR_NOT_AVAILABLE')
      expectNone(found.errorCode)
      const byPlace = new Map<string, Position>()
      for (const { name, partitions: ones } of found.topics) {
        for (const { partitionIndex, committedOffset, metadata, errorCode } of ones) {
          expectNone(errorCode, `${name} ${partitionIndex}`)
          if (committedOffset >= 0n) byPlace.set(`${partitionIndex} ${name}`, { offset: Number(committedOffset), metadata: metadata ?? '' })
        }
      }
      return partitions.map(({ topic, partition }) => byPlace.get(`${partition} ${topic}`) ?? null)
    }),
  )
}

/** Throws what the first partition that was refused was refused with. */
export async function commitOffsets(
  cluster: Cluster,
  { broker, group, member }: { readonly broker: Broker; readonly group: string; readonly member: GroupMembership },
  positions: readonly CommittedPosition[],
): Promise<void> {
  const { memberId, generation, instanceId } = member
  const { topics } = await cluster.connections.call(
    commitLane,
    broker,
    offsetCommitV8.api,
    group,
    generation,
    memberId,
    instanceId,
    offsetTopics(positions),
  )
  expectAllTaken(topics)
}

/** As OffsetCommit and TxnOffsetCommit want them. */
export function offsetTopics(positions: readonly CommittedPosition[]) {
  return [...Map.groupBy(positions, ({ topic }) => topic)].map(([name, ones]) => ({
    name,
    partitions: ones.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    })),
  }))
}

export function expectAllTaken(
  topics: readonly { readonly name: string; readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: number }[] }[],
): void {
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, errorCode } of partitions)
      if (errorCode !== 0) throw new BrokerError(errorName(errorCode), `${name} ${partitionIndex}`)
  }
}

/** Where partitions start, where what is committed ends, or where what is written does. */
type Edge = 'earliest' | 'latest' | 'written'

export function edgeOffsets(cluster: Cluster, partitions: readonly TopicPartition[], edge: Edge): Promise<readonly number[]> {
  if (partitions.length === 0) return Promise.resolve([])
  const known = new Map<TopicPartition, number>()
  return cluster.retry('The offsets of partitions cannot be read', async () => {
    const missing = partitions.filter((one) => !known.has(one))
    if (missing.some(({ topic, partition }) => cluster.leaderOf(topic, partition) === null)) await cluster.refresh(missing.map(({ topic }) => topic))
    const byLeader = Map.groupBy(missing, ({ topic, partition }) => {
      const broker = cluster.leaderOf(topic, partition)
      return broker === null ? null : `${broker.host}:${broker.port}`
    })
    const unled = byLeader.get(null)?.[0]
    if (unled !== undefined)
      throw new BrokerError(cluster.partitionsOf(unled.topic) === null ? cluster.topicError(unled.topic) : 'LEADER_NOT_AVAILABLE', unled.topic)
    await Promise.all([...byLeader.values()].map((ones) => leaderEdges(cluster, ones, edge, known)))
    return partitions.map((one) => known.get(one) ?? 0)
  })
}

async function leaderEdges(cluster: Cluster, partitions: readonly TopicPartition[], edge: Edge, known: Map<TopicPartition, number>): Promise<void> {
  const first = partitions[0]
  const broker = first === undefined ? null : cluster.leaderOf(first.topic, first.partition)
  if (broker === null) throw new BrokerError('LEADER_NOT_AVAILABLE')
  const timestamp = edge === 'earliest' ? -2n : -1n
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, ones]) => ({
    name,
    partitions: ones.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp })),
  }))
  try {
    const answer = await cluster.connections.call(
      mainLane,
      broker,
      listOffsetsV7.api,
      -1,
      edge === 'written' ? readUncommitted : readCommitted,
      topics,
    )
    for (const { name, partitions: ones } of answer.topics) {
      for (const { partitionIndex, errorCode, offset } of ones) {
        expectNone(errorCode, `${name} ${partitionIndex}`)
        const place = partitions.find(({ topic, partition }) => topic === name && partition === partitionIndex)
        if (place !== undefined) known.set(place, Number(offset))
      }
    }
  } catch (thrown) {
    await cluster.refresh(partitions.map(({ topic }) => topic)).catch(() => {})
    throw thrown
  }
}

const readUncommitted = 0
const readCommitted = 1
const commitLane: Lane = { name: 'commit', requestTimeoutMs: 15_000 }
