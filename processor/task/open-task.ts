import type { Topology } from '../../topology/graph.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import type { TaskMeters } from '../metrics/task-meters.ts'
import type { Position, StoreBytes, TopicPartition } from '../ports.ts'
import type { GlobalStores } from '../state/global-stores.ts'
import { TaskMemory } from '../state/task-memory.ts'
import { openStore, type TaskStore } from '../state/task-store.ts'
import { readPositionNote } from './position-note.ts'
import type { QueueHeap } from './queue-heap.ts'
import { Task } from './task.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

export interface OpenTaskOptions {
  readonly id: string
  readonly applicationId: string
  readonly topology: Topology
  readonly subtopology: Subtopology
  readonly partition: number
  /** The partitions that the task reads, each with its position in the last commit. */
  readonly inputs: readonly (TopicPartition & { readonly position: Position | null })[]
  /** The bytes of a store in the last commit, by the name of the task's state and the name of the store. */
  readonly bytesOf: (stateName: string, store: string) => StoreBytes
  readonly globals: GlobalStores
  readonly maxCachedEntries: number
  /** True if changes of stores are needed as changelog records. */
  readonly keepsLog: boolean
  /** Numbers from the task's own disk. A number counts only if the task's positions do not contain it. */
  readonly kept?: ReadonlyMap<string, number>
  readonly meters?: TaskMeters
  readonly waiting?: QueueHeap
}

export interface OpenedTask {
  readonly task: Task
  readonly stateName: string
  readonly stores: ReadonlyMap<string, TaskStore>
}

/** Opens a task with its stores, as of the last commit. The stores of a global task become readable for all tasks through `globals`. */
export function openTask(options: OpenTaskOptions, surroundings: TaskSurroundings): OpenedTask {
  const { id, applicationId, topology, subtopology, partition, inputs, bytesOf, globals, keepsLog, kept, meters, waiting } = options
  const stateName = subtopology.isGlobal ? globalStateName(applicationId) : `${applicationId}/${partition}`
  const memory = new TaskMemory(inputs.flatMap(({ position }) => readPositionNote(position?.metadata ?? '').kept))
  // The stores may be newer than this position, because another program or another commit may have written the stores.
  for (const [name, value] of kept ?? []) memory.learn(name, value)
  const stores = new Map<string, TaskStore>()
  const onExpired = () => task.meters.dropped.record(1)
  for (const builder of subtopology.stores) {
    const topic = changelogTopic(applicationId, builder.name)
    const store = openStore(builder, bytesOf(stateName, builder.name), { topic, maxEntries: options.maxCachedEntries, memory, keepsLog, onExpired })
    stores.set(builder.name, store)
    if (subtopology.isGlobal) globals.set(store.store)
  }
  const task = new Task(
    {
      id,
      subtopology,
      partition,
      inputs,
      memory,
      stores,
      stateName,
      globals: subtopology.isGlobal ? new Map() : globals.views,
      usersOf: (store) => topology.usersOf(store),
      ...(meters === undefined ? {} : { meters }),
      ...(waiting === undefined ? {} : { waiting }),
    },
    surroundings,
  )
  return { task, stateName, stores }
}

/** The name of the state of global stores, one for the whole process. */
export function globalStateName(applicationId: string): string {
  return `${applicationId}/global`
}
