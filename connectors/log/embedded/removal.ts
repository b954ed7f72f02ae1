import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import { type Change, together } from './change.ts'
import type { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import { endsKey, positionsIn, prefix, removedKey, runKey, stateKey, topicKey } from './keys.ts'
import type { LentDisk } from './lent-disk.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { StoreIds } from './store-ids.ts'
import type { Topic } from './topics.ts'

export interface LogHoldings {
  readonly topics: readonly Topic[]
  /**
   * Groups whose positions are removed. In a removed topic the positions of all groups are removed, because a new topic of the same name starts at
   * offset 0.
   */
  readonly groups: readonly string[]
  /** Applications whose stores are removed. */
  readonly applications: readonly string[]
}

interface RemovalPlace {
  readonly cycle: CommitCycle
  /** The open database. */
  readonly disk: LentDisk
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly storeIds: StoreIds
  /** Called when the names are deleted from the database. */
  readonly onRemoved: () => void
}

/**
 * Removes topics, positions and stores. One write deletes all names, and notes the numbers of the topics and stores that still have rows. Then the
 * rows are deleted. After a crash in between, `finishRemoval` deletes the rows before a new topic or store can get such a number.
 */
export async function removeHoldings(holdings: LogHoldings, { cycle, disk, uses, mark, storeIds, onRemoved }: RemovalPlace): Promise<void> {
  await cycle.change((rocks) => {
    const { rows, apply } = removalOf(holdings, { rocks, uses, storeIds })
    return {
      rows,
      apply() {
        apply()
        onRemoved()
      },
    }
  })
  await cycle.sync()
  for (const { number, partitions } of holdings.topics) for (const partition of partitions) mark.forgetEnd(number, partition.number)
  await finishRemoval(disk.rocks)
}

function removalOf(
  { topics, groups, applications }: LogHoldings,
  { rocks, uses, storeIds }: Pick<RemovalPlace, 'uses' | 'storeIds'> & { readonly rocks: Rocks },
): Change {
  const rows: RocksChange[] = []
  const changes: Change[] = []
  const names = new Set(topics.map(({ spec }) => spec.name))
  for (const { spec, number, partitions } of topics) {
    rows.push([topicKey(spec.name), null], [removedKey('topic', number), present])
    for (const partition of partitions) {
      rows.push([endsKey(number, partition.number), null])
      changes.push(uses.replace(partition, new Map(), Number.POSITIVE_INFINITY))
    }
  }
  for (const { key, group, topic } of positionsIn(rocks)) if (groups.includes(group) || names.has(topic)) rows.push([key, null])
  const { ids, change } = storeIds.removal(applications)
  for (const store of ids) rows.push([removedKey('store', store), present])
  return together([{ rows, apply() {} }, ...changes, change])
}

/** Deletes the rows of removed topics and stores. Must run before a new topic or store can get the number of a removed one. */
export async function finishRemoval(rocks: Rocks): Promise<void> {
  const left = [...rocks.range(Uint8Array.of(prefix.removed), Uint8Array.of(prefix.removed + 1), { values: false })].map(([key]) => Buffer.from(key))
  if (left.length === 0) return
  for (const key of left) {
    const number = key.readUInt32BE(2)
    if (key[1] === prefix.topic) rocks.clear(runKey(number, 0, 0), runKey(number + 1, 0, 0))
    else rocks.clear(stateKey(number, nothing), stateKey(number + 1, nothing))
  }
  // The deletion of the rows is synced before their note is deleted, so that a crash cannot leave rows without a note.
  await rocks.sync()
  rocks.write(left.map((key) => [key, null]))
  await rocks.sync()
}

const present = new Uint8Array(1)
const nothing = new Uint8Array(0)
