import type { Subtopology } from '../../topology/subtopology.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import type { Log, PartitionOffsets } from '../ports.ts'
import type { GlobalStores } from '../state/global-stores.ts'
import { TaskMemory } from '../state/task-memory.ts'
import { openStore } from '../state/task-store.ts'
import { globalStateName } from '../task/open-task.ts'
import type { StreamThread } from '../thread/stream-thread.ts'
import type { ThreadProgram } from '../thread/thread-program.ts'

export interface GlobalStartOptions {
  readonly log: Log
  readonly thread: StreamThread
  readonly program: ThreadProgram
  /** True on a log that keeps no state, such as Kafka. Each process then reads the global topics without a group, into its own copy. */
  readonly isAlone: boolean
  /** True if stream threads in other JavaScript threads also read the global stores. Those threads see the last commit. */
  readonly isReadElsewhere: boolean
  /** Waits a short time. Throws if the start was given up. */
  readonly pause: () => Promise<void>
}

/** Starts the thread that keeps the global stores. Settles when the stores hold everything that their topics had at the call. */
export async function startGlobals({ log, thread, program, isAlone, isReadElsewhere, pause }: GlobalStartOptions): Promise<void> {
  const there = new Map<string, readonly PartitionOffsets[]>()
  for (const { topics } of program.groups) {
    for (const topic of topics) there.set(topic, (await log.topic(topic))?.offsets ?? [])
  }
  await thread.start()
  if (isAlone) {
    while (!thread.isCaughtUp) await pause()
    return
  }
  // If all records of a partition are past retention, there is nothing to read.
  const isBehind = (topic: string, partition: number, { start, end }: PartitionOffsets) =>
    end > start && !thread.tasks.some((task) => task.positionOf(topic, partition) >= end)
  while ([...there].some(([topic, all]) => all.some((offsets, partition) => isBehind(topic, partition, offsets)))) await pause()
  if (!isReadElsewhere) return
  while (thread.tasks.some(({ hasUncommitted }) => hasUncommitted)) await pause()
  // An empty commit. Commits of one process take effect in order, so all earlier commits have taken effect when this commit has.
  const producer = await log.taskProducer({ group: program.applicationId })
  await producer.commit({ positions: [], state: [] })
  await producer.close()
}

export interface GlobalReadOptions {
  readonly applicationId: string
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  readonly globals: GlobalStores
}

/**
 * Opens global stores whose tasks run in another JavaScript thread. Each read goes to the disk, because this thread receives no notice of changes.
 */
export function readGlobals({ applicationId, subtopologies, log, globals }: GlobalReadOptions): void {
  for (const store of subtopologies.flatMap(({ isGlobal, stores }) => (isGlobal ? stores : []))) {
    const disk = log.state?.open(globalStateName(applicationId), store.name)
    if (disk === undefined) continue
    const memory = new TaskMemory()
    globals.set(openStore(store, disk, { topic: changelogTopic(applicationId, store.name), maxEntries: 0, memory }).store)
  }
}
