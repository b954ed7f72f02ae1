import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { migrate } from '../../../ops/migrate/migration.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

describe('The migration of a log', () => {
  const topic = 'waggle.gateway.shop'
  let root: string
  let clock: SimulatedClock
  let from: EmbeddedLog
  let to: EmbeddedLog
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'waggle-migration-'))
    clock = new SimulatedClock()
    from = await openEmbeddedLog({ directory: join(root, 'from'), clock })
    to = await openEmbeddedLog({ directory: join(root, 'to'), clock })
  })
  afterEach(async () => {
    await from.close()
    await to.close()
    rmSync(root, { recursive: true })
  })

  it('is refused with a backlog that brokers would delete before it is read, and moves nothing', async () => {
    await from.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: 60_000 }])
    const producer = await from.producer()
    const send = (timestamp: number) => producer.send({ topic, partition: 0, key: null, value: Buffer.from('1'), timestamp, headers: [] })
    await send(clock.now() - 31_000)
    await send(clock.now())
    await from.rewind('waggle.shop', { topic, partition: 0, offset: 0 })
    const moved = () => migrate({ from, to, clock, plans: [], onProgress: () => {} })
    await assert.rejects(moved(), { code: 'WAGGLE_MIGRATION', message: /waggle\.shop has not read, and brokers delete them after 60 seconds/ })
    assert.deepEqual(await to.topics(), [])
    await from.rewind('waggle.shop', { topic, partition: 0, offset: 1 })
    assert.equal((await moved()).records, 2)
  })
})
