import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { StoreBytes, TaskDisk } from '../../../processor/ports.ts'
import type { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { ChangelogCopy } from '../../../processor/state/changelog-copy.ts'
import { keyValueStore } from '../../../topology/state-store.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { text } from '../../support/text-program.ts'

const minute = 60_000
const place = { topic: 'changelog', partition: 0 }
const store = {
  ...keyValueStore({ name: 'windows', key: text, value: text }),
  kind: 'window' as const,
  retentionMs: 2 * minute,
  windowSizeMs: minute,
}

it('A copy of windows drops expired windows as the store itself does, and adds no expired one', async () => {
  const windows = await Windows.open()
  assert.deepEqual(await windows.bring(0, 1, 2), [0, 1, 2])
  assert.deepEqual(await windows.bring(4, 1), [2, 4], 'segments of a minute: those behind minute two are kept')
  assert.deepEqual(await windows.bring(100), [100])
})

it('A copy of windows deletes expired rows from the disk once for each segment, not with each record', async () => {
  const windows = await Windows.open()
  await windows.bring(0, 1, 2)
  windows.follow()
  await windows.write(4)
  for (let count = 0; count < 10; count++) await windows.write(4.5)
  assert.equal(windows.clears, 1)
  await windows.write(5)
  assert.equal(windows.clears, 2)
  assert.deepEqual(windows.rows, [4, 4.5, 5])
})

/** A copy of a store of windows, with its changelog and its disk. */
class Windows {
  readonly #world: SimulatedWorld
  readonly #log: SimulatedLog
  readonly #disk: TaskDisk
  readonly #copy: ChangelogCopy
  #end = 0
  clears = 0

  private constructor(world: SimulatedWorld, log: SimulatedLog) {
    this.#world = world
    this.#log = log
    const disk = new SimulatedStateDirectory(new SimulatedStateFiles('p')).open('0_0')
    this.#disk = changed(disk, { store: (name) => this.#counted(disk.store(name)) })
    this.#copy = new ChangelogCopy({
      changelog: { store, place, isSource: false, topicId: null },
      disk: this.#disk,
      log,
      onRecords: () => {},
      onAnew: () => {},
    })
  }

  static async open(): Promise<Windows> {
    const world = new SimulatedWorld({ keepsState: false })
    const log = world.boot()
    await log.createTopics([{ name: place.topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
    return new Windows(world, log)
  }

  /** Windows that start at these minutes, each with its minute as its value. */
  async write(...minutes: readonly number[]): Promise<void> {
    const producer = await this.#log.producer()
    for (const at of minutes) {
      const key = Buffer.alloc(13, 'k')
      key.writeBigInt64BE(BigInt(at * minute), 1)
      key.writeInt32BE(0, 9)
      void producer.send({ ...place, key, value: Buffer.from(`${at}`), timestamp: at * minute, headers: [] })
    }
    this.#end += minutes.length
    await this.#world.clock.until(() => (this.#world.disk.topics.get(place.topic)?.partitions[0]?.records.length ?? 0) === this.#end)
    // The follower has time to read the records.
    await this.#world.clock.advance(100)
  }

  /** Writes windows and restores them. Returns the copy's windows. */
  async bring(...minutes: readonly number[]): Promise<readonly number[]> {
    await this.write(...minutes)
    let isThere = false
    this.#copy.begin({ start: 0, end: this.#end, topicId: null })
    void this.#copy.readTo(this.#end).then(() => {
      isThere = true
    })
    await this.#world.clock.until(() => isThere)
    return this.rows
  }

  follow(): void {
    void this.#copy.follow()
  }

  get rows(): readonly number[] {
    return [...this.#disk.store(store.name).range(null, null)].map(([, value]) => Number(String(value)))
  }

  #counted(bytes: StoreBytes): StoreBytes {
    return changed(bytes, {
      clearBefore: (key) => {
        this.clears++
        bytes.clearBefore?.(key)
      },
    })
  }
}
