import { type Position, partitionName, type TopicPartition } from '../../../../processor/ports.ts'
import { BrokerError, errorName, expectNone } from './broker-error.ts'
import { type Cluster, mainLane } from './cluster.ts'
import type { Broker, Lane } from './connections.ts'
import type { Edge } from './kafka-client.ts'

export interface GroupMembership {
  readonly memberId: string
  readonly generation: number
  readonly instanceId: string | null
}

export const noMember: GroupMembership = { memberId: '', generation: -1, instanceId: null }

export type CommittedPosition = TopicPartition & Position

/**
 * The committed positions of a group; null for a partition without a position. Waits for open transactions that may change the positions (KIP-447).
 */
export function committedOffsets(cluster: Cluster, group: string, partitions: readonly TopicPartition[]): Promise<readonly (Position | null)[]> {
  return cluster.retry(`The positions of ${group} cannot be read`, () =>
    cluster.withCoordinator('group', group, async (broker) => {
      const answers = await cluster.client.fetchOffsets({ broker, lane: mainLane }, group, partitions)
      const byPartition = new Map<string, Position>()
      for (const { topic, partition, offset, metadata, errorCode } of answers) {
        expectNone(errorCode, `${topic} ${partition}`)
        if (offset >= 0) byPartition.set(partitionName({ topic, partition }), { offset, metadata })
      }
      return partitions.map((place) => byPartition.get(partitionName(place)) ?? null)
    }),
  )
}

/** Commits positions. Throws the error of the first refused partition. */
export async function commitOffsets(
  cluster: Cluster,
  { broker, group, member }: { readonly broker: Broker; readonly group: string; readonly member: GroupMembership },
  positions: readonly CommittedPosition[],
): Promise<void> {
  const answers = await cluster.client.commitOffsets({ broker, lane: commitLane }, group, { member, positions })
  for (const { topic, partition, errorCode } of answers) expectNone(errorCode, `${topic} ${partition}`)
}

/** Converts positions into the form that OffsetCommit and TxnOffsetCommit need. */
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

export function deleteRecordsBefore(cluster: Cluster, places: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
  return cluster.retry('Records that are done cannot be deleted', async () => {
    await cluster.refresh(places.map(({ topic }) => topic))
    const byLeader = Map.groupBy(places, ({ topic, partition }) => cluster.leaderOf(topic, partition))
    if (byLeader.has(null)) throw new BrokerError('LEADER_NOT_AVAILABLE', byLeader.get(null)?.[0]?.topic ?? '')
    for (const [broker, ones] of byLeader) {
      const answers = broker === null ? [] : await cluster.client.deleteRecords({ broker, lane: mainLane }, ones)
      for (const { topic, partition, errorCode } of answers) expectNone(errorCode, `${topic} ${partition}`)
    }
  })
}

async function leaderEdges(cluster: Cluster, partitions: readonly TopicPartition[], edge: Edge, known: Map<TopicPartition, number>): Promise<void> {
  const first = partitions[0]
  const broker = first === undefined ? null : cluster.leaderOf(first.topic, first.partition)
  if (broker === null) throw new BrokerError('LEADER_NOT_AVAILABLE')
  try {
    const answers = await cluster.client.listOffsets({ broker, lane: mainLane }, partitions, edge)
    const byName = new Map(partitions.map((place) => [partitionName(place), place]))
    for (const { topic, partition, errorCode, offset } of answers) {
      expectNone(errorCode, `${topic} ${partition}`)
      const place = byName.get(partitionName({ topic, partition }))
      if (place !== undefined) known.set(place, offset)
    }
  } catch (thrown) {
    await cluster.refresh(partitions.map(({ topic }) => topic)).catch(() => {})
    throw thrown
  }
}

const commitLane: Lane = { name: 'commit', requestTimeoutMs: 15_000 }
