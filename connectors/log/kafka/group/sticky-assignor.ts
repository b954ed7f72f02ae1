import type { GroupAssignment, GroupAssignor, GroupMember, TopicPartition } from '../../../../processor/ports.ts'

/**
 * Spreads partition numbers over members. A member gets the partitions with its numbers in all topics, because a task reads them together. A member
 * keeps its numbers unless another member has at least two fewer.
 */
export const stickyAssignor: GroupAssignor = {
  name: 'waggle-copartitioned',
  memberData: () => new Uint8Array(0),
  received: () => {},
  assign(members, partitionsOf) {
    const assigned = new Map<string, TopicPartition[]>(members.map(({ id }) => [id, []]))
    // Only members that read the same topics share partitions.
    for (const alike of Map.groupBy(members, ({ topics }) => [...topics].sort().join('\0')).values()) {
      for (const [id, numbers] of spread(alike, partitionsOf)) {
        for (const topic of alike[0]?.topics ?? []) {
          for (const number of numbers) if (number < partitionsOf(topic)) assigned.get(id)?.push({ topic, partition: number })
        }
      }
    }
    return new Map<string, GroupAssignment>([...assigned].map(([id, partitions]) => [id, { partitions, data: new Uint8Array(0) }]))
  },
}

function spread(members: readonly GroupMember[], partitionsOf: (topic: string) => number): ReadonlyMap<string, readonly number[]> {
  const count = Math.max(0, ...(members[0]?.topics ?? []).map(partitionsOf))
  const sorted = members.toSorted((a, b) => ((a.instanceId ?? a.id) < (b.instanceId ?? b.id) ? -1 : 1))
  const numbers = new Map<string, number[]>(sorted.map(({ id }) => [id, []]))
  const free: number[] = []
  for (let number = 0; number < count; number++) {
    const owner = sorted.find(({ owned }) => owned.some(({ partition }) => partition === number))
    if (owner === undefined) free.push(number)
    else numbers.get(owner.id)?.push(number)
  }
  const least = () => sorted.reduce<string | null>((best, { id }) => (best === null || sizeOf(id) < sizeOf(best) ? id : best), null)
  const most = () => sorted.reduce<string | null>((best, { id }) => (best === null || sizeOf(id) > sizeOf(best) ? id : best), null)
  const sizeOf = (id: string | null) => (id === null ? 0 : (numbers.get(id)?.length ?? 0))
  for (const number of free) numbers.get(least() ?? '')?.push(number)
  while (sizeOf(most()) - sizeOf(least()) > 1) {
    const moved = numbers.get(most() ?? '')?.pop()
    if (moved === undefined) break
    numbers.get(least() ?? '')?.push(moved)
  }
  return numbers
}
