import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { Rocks, type RocksChange } from '../../../../connectors/rocksdb/rocks.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('The deletion of old records', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog
  let notices: string[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-expiry-'))
    clock = new SimulatedClock()
    notices = []
    log = await openEmbeddedLog({ directory, clock, onNotice: (notice) => notices.push(notice) })
    await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: 1000, retentionBytes: 1_000_000 }])
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  async function send(count: number): Promise<void> {
    const producer = await log.producer()
    for (let sent = 0; sent < count; sent++)
      await producer.send({ topic: 'rows', partition: 0, key: null, value: Buffer.from([sent]), timestamp: clock.now(), headers: [] })
  }

  const start = async () => (await log.topic('rows'))?.offsets[0]?.start
  async function values(): Promise<readonly number[]> {
    const { start: from = 0, end: to = 0 } = (await log.topic('rows'))?.offsets[0] ?? {}
    const runs = await Array.fromAsync(log.read({ topic: 'rows', partition: 0, from, to }), ({ records }) => records)
    return runs.flat().map(({ value }) => (value instanceof Uint8Array ? (value[0] ?? -1) : -1))
  }
  async function startIs(offset: number): Promise<void> {
    while ((await start()) !== offset) await turn()
  }

  const full = () => {
    throw new Error('IO error: No space left on device')
  }

  it('changes nothing if its write fails, reports the failure once, and is repeated by a later round', async (t) => {
    await send(3)
    const write = t.mock.method(Rocks.prototype, 'write', full)
    await clock.advance(60_000)
    while (write.mock.callCount() === 0) await turn()
    assert.equal(await start(), 0)
    assert.deepEqual(
      notices.map((notice) => /cannot be deleted at the moment: There is no room left on the disk/.test(notice)),
      [true],
    )
    write.mock.restore()
    // The database is opened again before the next commit.
    await send(1)
    assert.deepEqual(await values(), [0, 1, 2, 0])
    await clock.advance(60_000)
    await startIs(4)
    assert.equal(notices.length, 1)
  })

  it('changes nothing if a write of `deleteBefore` fails', async (t) => {
    await send(3)
    const write = t.mock.method(Rocks.prototype, 'write', full)
    await assert.rejects(log.deleteBefore([{ topic: 'rows', partition: 0, offset: 2 }]), { code: 'WAGGLE_DISK_FULL' })
    write.mock.restore()
    assert.equal(await start(), 0)
    await send(1)
    assert.deepEqual(await values(), [0, 1, 2, 0])
  })

  it('is refused as a whole on a full disk, like every other change outside of a commit, and succeeds afterwards', async (t) => {
    await send(1)
    const task = await log.taskProducer({ group: 'sink' })
    await task.commit({ positions: [{ topic: 'rows', partition: 0, offset: 1, metadata: '' }], state: [] })
    const topic = { name: 'new', partitions: 1, cleanup: 'delete' as const, retentionMs: null }
    for (const change of [
      () => log.createTopics([topic]),
      () => log.rewind('sink', { topic: 'rows', partition: 0, offset: 0 }),
      () => log.forgetPositions('sink'),
      () => log.remove({ topics: ['rows'], groups: ['sink'], applications: [] }),
    ]) {
      const write = t.mock.method(Rocks.prototype, 'write', full)
      await assert.rejects(change(), { code: 'WAGGLE_DISK_FULL' })
      write.mock.restore()
      await send(1)
      assert.deepEqual(await log.topics(), ['rows'])
      assert.equal(log.position('sink', 'rows', 0)?.offset, 1)
    }
    await log.createTopics([topic])
    await log.remove({ topics: ['rows'], groups: ['sink'], applications: [] })
    assert.deepEqual([await log.topics(), log.hasPositions('sink')], [['new'], false])
    await log.createTopics([{ ...topic, name: 'rows' }])
  })

  it('handles a few runs in each turn of the event loop, so that other work continues', async (t) => {
    await send(100)
    const rows: number[] = []
    const write = Rocks.prototype.write
    t.mock.method(Rocks.prototype, 'write', function (this: Rocks, changes: Iterable<RocksChange>) {
      const all = [...changes]
      rows.push(all.length)
      write.call(this, all)
    })
    await clock.advance(60_000)
    await startIs(100)
    assert.ok(rows.length >= 6 && Math.max(...rows) <= 17, rows.join())
  })

  it('makes the log count a partition’s bytes again if only some of the records are deleted', async () => {
    await send(100)
    await log.deleteBefore([{ topic: 'rows', partition: 0, offset: 30 }])
    await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: 86_400_000, retentionBytes: 1500 }])
    await clock.advance(60_000)
    for (let turns = 0; turns < 50; turns++) await turn()
    const kept = 100 - ((await start()) ?? 0)
    // A run with one such record has 30 bytes.
    assert.equal(kept, Math.floor(1500 / 30))
  })

  it('spares young records of a topic that protects young records, even on a nearly full disk and after a restart', async () => {
    const parts = { name: 'parts', partitions: 1, cleanup: 'delete', retentionMs: 1000, retentionBytes: 1, leastAgeMs: 600_000 } as const
    await log.createTopics([parts])
    const part = { topic: 'parts', partition: 0, key: null, headers: [], value: Buffer.alloc(100) }
    await (await log.producer()).send({ ...part, timestamp: clock.now() })
    await send(1)
    await log.close()
    await clock.advance(1_000_000)
    log = await openEmbeddedLog({ directory, clock, maxBytes: 1, onNotice: (notice) => notices.push(notice) })
    await clock.advance(5_000)
    await startIs(1)
    const startOfParts = async () => (await log.topic('parts'))?.offsets[0]?.start
    assert.equal(await startOfParts(), 0)
    await clock.advance(400_000)
    await (await log.producer()).send({ ...part, timestamp: clock.now() })
    await clock.advance(300_000)
    while ((await startOfParts()) !== 1) await turn()
    await clock.advance(60_000)
    for (let turns = 0; turns < 50; turns++) await turn()
    assert.equal(await startOfParts(), 1)
  })

  it('is reported if the disk is nearly full and dead letters are deleted before their retention has passed', async () => {
    await log.createTopics([{ name: 'waggle.shop.dead-letters', partitions: 1, cleanup: 'delete', retentionMs: 86_400_000 }])
    const letters = { topic: 'waggle.shop.dead-letters', partition: 0, key: null, headers: [] }
    await (await log.producer()).send({ ...letters, value: Buffer.alloc(10_000), timestamp: clock.now() })
    await log.close()
    log = await openEmbeddedLog({ directory, clock, maxBytes: 1, onNotice: (notice) => notices.push(notice) })
    await clock.advance(5_000)
    while ((await log.topic('waggle.shop.dead-letters'))?.offsets[0]?.start !== 1) await turn()
    await turn()
    assert.match(notices.join('\n'), /nearly full, so 1 dead letters of shop were deleted before their retention.*WAGGLE_LOG_MAX_BYTES/)
  })
})
