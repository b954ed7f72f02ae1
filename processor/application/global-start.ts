import { changelogTopic } from '../../topology/naming.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { Log, PartitionOffsets } from '../ports.ts'
import type { GlobalStores } from '../state/global-stores.ts'
import { TaskMemory } from '../state/task-memory.ts'
import { openStore } from '../state/task-store.ts'
import { globalStateName } from '../task/open-task.ts'
import type { StreamThread } from '../thread/stream-thread.ts'
import type { TaskPlan } from '../thread/task-plan.ts'

export interface GlobalStartOptions {
  readonly log: Log
  /** That of the global stores, and nothing else. */
  readonly thread: StreamThread
  readonly plan: TaskPlan
  /** This process reads their topics without a group, since the log keeps no state. */
  readonly isAlone: boolean
  /** Threads elsewhere read them too, as the last commit left them. */
  readonly isReadElsewhere: boolean
  /** A short while; throws where the start is to be given up. */
  readonly moment: () => Promise<void>
}

/** Starts the thread that keeps the global stores; settles when they hold what their topics held when it was called. */
export async function startGlobals({ log, thread, plan, isAlone, isReadElsewhere, moment }: GlobalStartOptions): Promise<void> {
  const there = new Map<string, readonly PartitionOffsets[]>()
  for (const { topics } of plan.groups) {
    for (const topic of topics) there.set(topic, (await log.topic(topic))?.offsets ?? [])
  }
  await thread.start()
  if (isAlone) {
    while (!thread.isCaughtUp) await moment()
    return
  }
  // Of a partition that is past its retention as a whole, nothing will ever be read.
  const isBehind = (topic: string, partition: number, { start, end }: PartitionOffsets) =>
    end > start && !thread.tasks.some((task) => task.positionOf(topic, partition) >= end)
  while ([...there].some(([topic, all]) => all.some((offsets, partition) => isBehind(topic, partition, offsets)))) await moment()
  if (!isReadElsewhere) return
  while (thread.tasks.some(({ hasUncommitted }) => hasUncommitted)) await moment()
  // Commits of one process take effect in the order in which they were made.
  const producer = await log.taskProducer({ group: plan.applicationId })
  await producer.commit({ positions: [], state: [] })
  await producer.close()
}

export interface GlobalReadOptions {
  readonly applicationId: string
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  readonly globals: GlobalStores
}

/** Opens global stores whose tasks run elsewhere: read from the disk each time, since nobody tells of changes. */
export function readGlobals({ applicationId, subtopologies, log, globals }: GlobalReadOptions): void {
  for (const store of subtopologies.flatMap(({ isGlobal, stores }) => (isGlobal ? stores : []))) {
    const disk = log.state?.open(globalStateName(applicationId), store.name)
    if (disk === undefined) continue
    const memory = new TaskMemory()
    globals.set(openStore(store, disk, { topic: changelogTopic(applicationId, store.name), maxEntries: 0, memory }).store)
  }
}
