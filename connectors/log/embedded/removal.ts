import type { Rocks, RocksChange } from '../../rocksdb/rocks.ts'
import type { CommitMark } from './commit-mark.ts'
import { endsKey, positionsIn, prefix, removedKey, runKey, stateKey, topicKey } from './keys.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { StoreNumbers } from './store-numbers.ts'
import type { Topic } from './topics.ts'

/** The parts of a log to remove. */
export interface LogParts {
  readonly topics: readonly Topic[]
  /**
   * Groups whose positions are removed. In a removed topic, the positions of all groups are removed: a new topic of the same name starts at offset 0.
   */
  readonly groups: readonly string[]
  /** Applications whose stores are removed. */
  readonly applications: readonly string[]
}

interface RemovalPlace {
  readonly rocks: Rocks
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly storeNumbers: StoreNumbers
}

/**
 * Removes topics, positions and stores. One write deletes all names and notes the numbers whose rows remain, then the rows are deleted. If the
 * process dies in between, `finishRemoval` deletes the rows at the next start. No commit may be running.
 */
export async function removeParts({ topics, groups, applications }: LogParts, { rocks, uses, mark, storeNumbers }: RemovalPlace): Promise<void> {
  const changes: RocksChange[] = []
  const names = new Set(topics.map(({ spec }) => spec.name))
  for (const { spec, number, partitions } of topics) {
    changes.push([topicKey(spec.name), null], [removedKey('topic', number), present])
    for (const partition of partitions) {
      changes.push([endsKey(number, partition.number), null])
      uses.replace(partition, new Map(), changes)
    }
  }
  for (const { key, group, topic } of positionsIn(rocks)) if (groups.includes(group) || names.has(topic)) changes.push([key, null])
  for (const store of storeNumbers.remove(applications, changes)) changes.push([removedKey('store', store), present])
  if (changes.length === 0) return
  rocks.write(changes)
  await rocks.sync()
  for (const { number, partitions } of topics) for (const partition of partitions) mark.forgetEnd(number, partition.number)
  await finishRemoval(rocks)
}

/** Deletes the rows of removed topics and stores. Must run before a new topic or store can get one of their numbers. */
export async function finishRemoval(rocks: Rocks): Promise<void> {
  const left = [...rocks.range(Uint8Array.of(prefix.removed), Uint8Array.of(prefix.removed + 1), { values: false })].map(([key]) => Buffer.from(key))
  if (left.length === 0) return
  for (const key of left) {
    const number = key.readUInt32BE(2)
    if (key[1] === prefix.topic) rocks.clear(runKey(number, 0, 0), runKey(number + 1, 0, 0))
    else rocks.clear(stateKey(number, nothing), stateKey(number + 1, nothing))
  }
  // The rows are synced first, so that a crash cannot leave rows without a note.
  await rocks.sync()
  rocks.write(left.map((key) => [key, null]))
  await rocks.sync()
}

const present = new Uint8Array(1)
const nothing = new Uint8Array(0)
