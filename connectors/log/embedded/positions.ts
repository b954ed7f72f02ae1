import type { Position, TopicPartition } from '../../../processor/ports.ts'
import { positionKey, positionsOf } from './keys.ts'
import type { LentDisk } from './lent-disk.ts'
import { positionBytes, positionFrom } from './values.ts'

/**
 * The committed position of each group in each partition. Commits write the positions. This class reads them, and changes those of groups that are
 * not running.
 */
export class Positions {
  readonly #disk: LentDisk

  constructor(disk: LentDisk) {
    this.#disk = disk
  }

  /** The committed position; null without one. */
  find(group: string, topic: string, partition: number): Position | null {
    const bytes = this.#disk.rocks.get(positionKey(group, topic, partition))
    return bytes === null ? null : positionFrom(bytes)
  }

  has(group: string): boolean {
    for (const _ of this.#disk.rocks.range(...positionsOf(group), { values: false })) return true
    return false
  }

  async move(group: string, { topic, partition, offset }: TopicPartition & { readonly offset: number }): Promise<void> {
    const { rocks } = this.#disk
    rocks.write([[positionKey(group, topic, partition), positionBytes(offset, '')]])
    await rocks.sync()
  }

  async delete(group: string): Promise<void> {
    const { rocks } = this.#disk
    rocks.write([...rocks.range(...positionsOf(group))].map(([key]) => [key, null]))
    await rocks.sync()
  }
}
