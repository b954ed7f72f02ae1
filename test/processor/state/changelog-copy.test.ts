import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { ChangelogCopy } from '../../../processor/state/changelog-copy.ts'
import { keyValueStore } from '../../../topology/state-store.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { text } from '../../support/text-program.ts'

const minute = 60_000

it('A copy of windows loses what runs out while it is followed, as the store itself does, and brings in nothing that has', async () => {
  const world = new SimulatedWorld({ keepsState: false })
  const log = world.boot()
  await log.createTopics([{ name: 'changelog', partitions: 1, cleanup: 'delete', retentionMs: null }])
  const store = {
    ...keyValueStore({ name: 'windows', key: text, value: text }),
    kind: 'window' as const,
    retentionMs: 2 * minute,
    windowSizeMs: minute,
  }
  const disk = new SimulatedStateDirectory(new SimulatedStateFiles('p')).open('0_0')
  const place = { topic: 'changelog', partition: 0 }
  const copy = new ChangelogCopy({
    changelog: { store, place, isSource: false, topicId: null },
    disk,
    log,
    onRecords: () => {},
    onAnew: () => {},
  })
  const producer = await log.producer()
  let end = 0
  const bring = async (...minutes: readonly number[]) => {
    for (const at of minutes) {
      const key = Buffer.alloc(13, 'k')
      key.writeBigInt64BE(BigInt(at * minute), 1)
      key.writeInt32BE(0, 9)
      void producer.send({ ...place, key, value: Buffer.from(`${at}`), timestamp: at * minute, headers: [] })
    }
    end += minutes.length
    let isThere = false
    await world.clock.until(() => (world.disk.topics.get('changelog')?.partitions[0]?.records.length ?? 0) === end)
    copy.begin({ start: 0, end, topicId: null })
    void copy.readTo(end).then(() => {
      isThere = true
    })
    await world.clock.until(() => isThere)
    return [...disk.store('windows').range(null, null)].map(([, value]) => Number(String(value)))
  }
  assert.deepEqual(await bring(0, 1, 2), [0, 1, 2])
  assert.deepEqual(await bring(4, 1), [2, 4], 'segments of a minute: those behind minute two are kept')
  assert.deepEqual(await bring(100), [100])
})
