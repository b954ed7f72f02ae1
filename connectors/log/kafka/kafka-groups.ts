import type { Admin } from '@platformatic/kafka'
import type { TopicPartition } from '../../../processor/ports.ts'
import { toWaggleError } from './cluster/broker-error.ts'
import { type AdminOptions, adminClient } from './kafka-admin.ts'

/** The groups of an application on a cluster: their members in all processes, and their positions. */
export class KafkaGroups {
  readonly #admin: Admin

  constructor(options: AdminOptions) {
    this.#admin = adminClient(options)
  }

  /** The number of members of these groups. A killed process counts until its session has timed out. */
  async members(groups: readonly string[]): Promise<number> {
    const described = await this.#call('The groups cannot be looked at', () => this.#admin.describeGroups({ groups: [...groups] }))
    return [...described.values()].reduce((sum, { members }) => sum + members.size, 0)
  }

  /** Takes the static members of one process out of its groups. A static member does not leave by itself when it closes. */
  async removeMembers(groups: readonly string[], isOwn: (instanceId: string) => boolean): Promise<void> {
    const described = await this.#call('The groups cannot be looked at', () => this.#admin.describeGroups({ groups: [...groups] }))
    for (const { id, members } of described.values()) {
      const own = [...members.values()].filter(({ groupInstanceId }) => groupInstanceId !== null && isOwn(groupInstanceId ?? ''))
      if (own.length === 0) continue
      const leaving = own.map((member) => ({ memberId: member.id, reason: 'the version is replaced' }))
      await this.#call('Members cannot leave their group', () => this.#admin.removeMembersFromConsumerGroup({ groupId: id, members: leaving }))
    }
  }

  /** The committed positions of a group; empty for a group that does not exist. */
  async positions(group: string): Promise<readonly (TopicPartition & { readonly offset: number })[]> {
    const described = await this.#call('The positions cannot be read', () => this.#admin.listConsumerGroupOffsets({ groups: [group] }))
    return described.flatMap(({ topics }) =>
      topics.flatMap(({ name, partitions }) =>
        partitions.flatMap(({ partitionIndex, committedOffset }) =>
          committedOffset < 0n ? [] : [{ topic: name, partition: partitionIndex, offset: Number(committedOffset) }],
        ),
      ),
    )
  }

  async close(): Promise<void> {
    await this.#admin.close()
  }

  async #call<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (thrown) {
      throw toWaggleError(thrown, what)
    }
  }
}
