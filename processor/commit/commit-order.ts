import { type CommitPoint, type CommitReceipt, type ProducerRecord, partitionName, type TaskProducer } from '../ports.ts'
import type { CommitContent } from './commit-content.ts'

/**
 * Sends a commit. If the log can take the whole commit atomically, the commit is sent in one step. Otherwise each stage is durable before the next
 * one begins, from the end of a task to its beginning:
 *
 *     1. records that tasks have sent (appended already)
 *     2. changelogs: those of each task's last store, then those of the store before it, and so on to the first store
 *     3. removals of handled due entries
 *     4. positions, together with the last of the stages above
 *
 * After a crash between two stages, the inputs are processed again from the old positions, and the results of the finished stages exist already. In
 * any other order, a join could remember a record that was never sent, and a due entry could be removed before it was handled.
 */
export async function sendInOrder(
  producer: TaskProducer,
  content: CommitContent,
  { isAtomic }: { readonly isAtomic: boolean },
): Promise<CommitReceipt> {
  const stages = stagesOf(content)
  const point: CommitPoint = { positions: content.positions, state: content.state }
  // A later stage may end at a higher offset of the same partition. The higher offset replaces the lower one.
  const endsByPartition = new Map<string, CommitReceipt['ends'][number]>()
  const commits = isAtomic ? [stages.flat()] : [[], ...stages]
  for (const [at, records] of commits.entries()) {
    for (const record of records) producer.append(record)
    const receipt = await producer.commit(at === commits.length - 1 ? point : nothingYet)
    for (const end of receipt.ends) endsByPartition.set(partitionName(end), end)
  }
  return { ends: [...endsByPartition.values()] }
}

export function hasRecords(content: CommitContent): boolean {
  return content.removals.length > 0 || content.changelogs.some(({ records }) => records.length > 0)
}

function stagesOf({ changelogs, removals }: CommitContent): readonly (readonly ProducerRecord[])[] {
  const byPartition: ProducerRecord[][] = []
  for (const { placesFromEnd, records } of changelogs) {
    const stage = byPartition[placesFromEnd] ?? []
    byPartition[placesFromEnd] = stage
    stage.push(...records)
  }
  return [...byPartition, removals].filter((stage) => stage !== undefined && stage.length > 0)
}

const nothingYet: CommitPoint = { positions: [], state: [] }
