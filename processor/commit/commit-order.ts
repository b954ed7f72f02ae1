import { type CommitPoint, type CommitReceipt, type ProducerRecord, placeName, type TaskProducer } from '../ports.ts'
import type { CommitContent } from './commit-content.ts'

/**
 * Sends a commit. Where the log takes all of it together, that is one step. Where it does not, each turn is durable before the next one begins, from the
 * end of a task to its beginning:
 *
 *     1. records that tasks have sent (appended already)
 *     2. changelogs: those of each task's last store, then those of the store before it, and so on
 *     3. removals of what was due
 *     4. positions, in the same commit as the last of these
 *
 * After a crash in between, what is missing is done again, and what comes after it is there already. In any other order a join would remember that it
 * has sent what nobody has got, and what was due would be due no more though it was not done.
 */
export async function sendInOrder(
  producer: TaskProducer,
  content: CommitContent,
  { isAtomic }: { readonly isAtomic: boolean },
): Promise<CommitReceipt> {
  const turns = turnsOf(content)
  const point: CommitPoint = { positions: content.positions, state: content.state }
  // A later turn may write to the same place.
  const ends = new Map<string, CommitReceipt['ends'][number]>()
  const commits = isAtomic ? [turns.flat()] : [[], ...turns]
  for (const [at, records] of commits.entries()) {
    for (const record of records) producer.append(record)
    const receipt = await producer.commit(at === commits.length - 1 ? point : nothingYet)
    for (const end of receipt.ends) ends.set(placeName(end), end)
  }
  return { ends: [...ends.values()] }
}

/** True where such a commit has anything for the log. */
export function hasRecords(content: CommitContent): boolean {
  return content.removals.length > 0 || content.changelogs.some(({ records }) => records.length > 0)
}

function turnsOf({ changelogs, removals }: CommitContent): readonly (readonly ProducerRecord[])[] {
  const byPlace: ProducerRecord[][] = []
  for (const { placesFromEnd, records } of changelogs) {
    const turn = byPlace[placesFromEnd] ?? []
    byPlace[placesFromEnd] = turn
    turn.push(...records)
  }
  return [...byPlace, removals].filter((turn) => turn !== undefined && turn.length > 0)
}

const nothingYet: CommitPoint = { positions: [], state: [] }
