import { partitionName, type TopicPartition } from '../ports.ts'
import type { TaskShare } from './assign-tasks.ts'

/**
 * Applies the cooperative rule (KIP-429). A partition that another member still reads is given to nobody in this round. The current reader releases
 * the partition and joins again, and the next round gives the partition to the new owner. A task waits until all of its inputs are free. Meanwhile
 * the new owner keeps its copy of the task's state.
 */
export function handOver(
  wanted: ReadonlyMap<string, TaskShare>,
  owned: ReadonlyMap<string, readonly TopicPartition[]>,
): ReadonlyMap<string, TaskShare> {
  const owners = new Map<string, Set<string>>()
  for (const [member, partitions] of owned) {
    for (const partition of partitions) {
      const place = partitionName(partition)
      owners.set(place, (owners.get(place) ?? new Set()).add(member))
    }
  }
  const isFree = (place: string, member: string) => [...(owners.get(place) ?? [])].every((owner) => owner === member)
  return new Map(
    [...wanted].map(([member, share]) => {
      const active = share.active.filter(({ inputs }) => inputs.every((input) => isFree(partitionName(input), member)))
      const withheld = share.active.filter((task) => task.isStateful && !active.includes(task))
      return [member, { ...share, active, standbys: [...share.standbys, ...withheld] }]
    }),
  )
}
