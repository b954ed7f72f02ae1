import type { Capabilities } from '../../topology/capabilities.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { TopicPartition } from '../ports.ts'

/** Sub-topology and partition number, as Kafka Streams writes it: `0_3`. */
export type TaskId = `${number}_${number}`

/** A task, as the assignment sees it. */
export interface GroupTask {
  readonly id: TaskId
  readonly subtopology: number
  readonly partition: number
  readonly inputs: readonly TopicPartition[]
  /** True if the task has state that another process can rebuild. The places of copies matter only for such tasks. */
  readonly isStateful: boolean
  readonly needs: Capabilities
}

/** The tasks of one group, by sub-topology and then by partition. A sub-topology has as many tasks as its longest topic has partitions. */
export function tasksOf(subtopologies: readonly Subtopology[], partitionsOf: (topic: string) => number): readonly GroupTask[] {
  const local = subtopologies.filter(({ isGlobal }) => !isGlobal).toSorted((a, b) => a.id - b.id)
  return local.flatMap(({ id: subtopology, sources, stores, needs }) => {
    const lengths = sources.map((topic) => ({ topic, partitions: partitionsOf(topic) }))
    const count = Math.max(0, ...lengths.map(({ partitions }) => partitions))
    const isStateful = stores.some((store) => store.kind !== 'custom' && store.logging !== false)
    return Array.from({ length: count }, (_, partition) => ({
      id: taskId(subtopology, partition),
      subtopology,
      partition,
      inputs: lengths.filter(({ partitions }) => partition < partitions).map(({ topic }) => ({ topic, partition })),
      isStateful,
      needs,
    }))
  })
}

export function taskId(subtopology: number, partition: number): TaskId {
  return `${subtopology}_${partition}`
}

export function numbersOf(id: TaskId): readonly [subtopology: number, partition: number] {
  const [subtopology, partition] = id.split('_')
  return [Number(subtopology), Number(partition)]
}

export function compareTaskIds(a: TaskId, b: TaskId): number {
  const [[subtopologyA, partitionA], [subtopologyB, partitionB]] = [numbersOf(a), numbersOf(b)]
  return subtopologyA - subtopologyB || partitionA - partitionB
}
