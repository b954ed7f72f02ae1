import type { TopicPartition } from '../../../../processor/ports.ts'
import type { WaggleError } from '../../../../topology/waggle-error.ts'
import { BrokerError } from '../cluster/broker-error.ts'
import { fenced, isFencing } from '../cluster/fencing.ts'
import { type CommittedPosition, type GroupMembership, noMember } from '../cluster/offsets.ts'
import type { GroupConsumer } from './group-consumer.ts'

interface MemberPositions {
  readonly group: string
  readonly consumer: GroupConsumer | null
  readonly positions: readonly CommittedPosition[]
}

/**
 * Groups positions by consumer group, and by the consumer that owns the partition. Throws WAGGLE_FENCED if this process has consumers of the group,
 * but none of them owns the partition.
 */
export function byMember(
  positions: readonly (CommittedPosition & { readonly group?: string })[],
  options: { readonly ownGroup: string; readonly consumers: (group: string) => readonly GroupConsumer[] },
): readonly MemberPositions[] {
  const parts = new Map<string, Map<GroupConsumer | null, CommittedPosition[]>>()
  for (const { group = options.ownGroup, topic, partition, offset, metadata } of positions) {
    const owner = ownerOf(group, { topic, partition }, options.consumers(group))
    const members = parts.get(group) ?? new Map<GroupConsumer | null, CommittedPosition[]>()
    parts.set(group, members)
    const own = members.get(owner) ?? []
    members.set(owner, own)
    own.push({ topic, partition, offset, metadata })
  }
  return [...parts].flatMap(([group, members]) => [...members].map(([consumer, own]) => ({ group, consumer, positions: own })))
}

/**
 * Commits positions as the member that owns the partitions. If a rebalance makes the commit fail, it is sent again after the rebalance, as long as
 * the member owns the partitions. Positions of partitions that the member must release are committed before it releases them.
 */
export async function commitAsMember(
  { group, consumer, positions }: MemberPositions,
  commit: (member: GroupMembership) => Promise<void>,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const member = consumer === null ? noMember : memberOfAll(group, consumer, positions)
    try {
      return await commit(member)
    } catch (thrown) {
      const error = thrown instanceof BrokerError ? thrown.error : ''
      const mayPass = error === 'ILLEGAL_GENERATION' || error === 'REBALANCE_IN_PROGRESS'
      if (consumer === null || !mayPass || attempt > maxRebalances) {
        if (isFencing(error) || error === 'REBALANCE_IN_PROGRESS') throw moved(group, thrown)
        throw thrown
      }
      const isOver = !consumer.member.isRebalancing && consumer.member.membership.generation === member.generation
      if (isOver && error === 'ILLEGAL_GENERATION') throw moved(group, thrown)
      await consumer.member.generationEnded(member.generation)
    }
  }
}

function ownerOf(group: string, place: TopicPartition, consumers: readonly GroupConsumer[]): GroupConsumer | null {
  const owner = consumers.find((consumer) => consumer.memberOf(place) !== null)
  if (owner !== undefined) return owner
  if (consumers.some((consumer) => consumer.member.membership.memberId !== '')) throw moved(group)
  return null
}

function memberOfAll(group: string, consumer: GroupConsumer, positions: readonly CommittedPosition[]): GroupMembership {
  for (const place of positions) if (consumer.memberOf(place) === null) throw moved(group)
  return consumer.member.membership
}

function moved(group: string, cause?: unknown): WaggleError {
  return fenced(`Another member of ${group} has the partitions that this process read`, cause)
}

const maxRebalances = 20
