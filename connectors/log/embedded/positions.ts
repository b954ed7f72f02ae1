import type { Position, TopicPartition } from '../../../processor/ports.ts'
import type { CommitCycle } from './commit-cycle.ts'
import { positionKey, positionsOf } from './keys.ts'
import type { LentDisk } from './lent-disk.ts'
import { positionBytes, positionFrom } from './values.ts'

/**
 * The committed position of each group in each partition. Commits write the positions. This class reads positions, and changes the positions of
 * groups that are not running.
 */
export class Positions {
  readonly #disk: LentDisk
  readonly #cycle: CommitCycle

  constructor(disk: LentDisk, cycle: CommitCycle) {
    this.#disk = disk
    this.#cycle = cycle
  }

  /** The committed position; null if the group has none in this partition. */
  find(group: string, topic: string, partition: number): Position | null {
    const bytes = this.#disk.rocks.get(positionKey(group, topic, partition))
    return bytes === null ? null : positionFrom(bytes)
  }

  has(group: string): boolean {
    for (const _ of this.#disk.rocks.range(...positionsOf(group), { values: false })) return true
    return false
  }

  async move(group: string, { topic, partition, offset }: TopicPartition & { readonly offset: number }): Promise<void> {
    await this.#cycle.change(() => ({ rows: [[positionKey(group, topic, partition), positionBytes(offset, '')]], apply() {} }))
    await this.#cycle.sync()
  }

  async delete(group: string): Promise<void> {
    await this.#cycle.change((rocks) => ({ rows: Array.from(rocks.range(...positionsOf(group)), ([key]) => [key, null]), apply() {} }))
    await this.#cycle.sync()
  }
}
