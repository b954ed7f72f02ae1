import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { CommitMark } from '../../../../connectors/log/embedded/commit-mark.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { Rocks } from '../../../../connectors/rocksdb/rocks.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('A segment file that no record names', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-unused-'))
    clock = new SimulatedClock()
    log = await openEmbeddedLog({ directory: join(directory, 'log'), clock })
    await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: null }])
    await send(20_000)
    // The file that is being written is never deleted.
    await log.close()
    log = await openEmbeddedLog({ directory: join(directory, 'log'), clock })
    await log.deleteBefore([{ topic: 'rows', partition: 0, offset: 1 }])
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  const files = (name = 'log') => readdirSync(join(directory, name, 'segments')).length

  async function send(bytes: number): Promise<void> {
    const record = { topic: 'rows', partition: 0, key: null, value: Buffer.alloc(bytes, 7), timestamp: clock.now(), headers: [] }
    await (await log.producer()).send(record)
  }

  /** Two rounds of retention: the first round finds the file unused, the second round deletes the file. */
  async function passRounds(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await clock.advance(60_000)
      for (let turns = 0; turns < 10; turns++) await turn()
    }
  }

  async function filesAre(count: number): Promise<void> {
    while (files() !== count) await turn()
  }

  it('is deleted only after the rows that named it are deleted and synced', async (t) => {
    const sync = t.mock.method(Rocks.prototype, 'sync', () => Promise.reject(new Error('no sync')))
    await passRounds()
    assert.ok(sync.mock.callCount() > 0)
    assert.equal(files(), 1)
    sync.mock.restore()
    await send(1)
    await passRounds()
    await filesAre(0)
  })

  it('is deleted only after the mark of the last commit was synced without it', async (t) => {
    const sync = t.mock.method(CommitMark.prototype, 'sync', () => {
      throw new Error('no sync')
    })
    await passRounds()
    while (sync.mock.callCount() === 0) await turn()
    assert.equal(files(), 1)
    sync.mock.restore()
    await passRounds()
    await filesAre(0)
  })

  it('stays deleted after a restart, and a crash before its deletion leaves only files that the next start deletes', async (t) => {
    const copies: string[] = []
    const copy = () => {
      copies.push(`copy-${copies.length}`)
      cpSync(join(directory, 'log'), join(directory, copies.at(-1) ?? ''), { recursive: true })
    }
    const [sync, mark] = [Rocks.prototype.sync, CommitMark.prototype.sync]
    t.mock.method(Rocks.prototype, 'sync', async function (this: Rocks) {
      copy()
      await sync.call(this)
      copy()
    })
    t.mock.method(CommitMark.prototype, 'sync', function (this: CommitMark) {
      copy()
      mark.call(this)
      copy()
    })
    await passRounds()
    await filesAre(0)
    t.mock.restoreAll()
    assert.ok(copies.length >= 4)
    copies.push('log')
    await log.close()
    for (const name of copies) {
      const notices: string[] = []
      const again = await openEmbeddedLog({ directory: join(directory, name), clock, onNotice: (notice) => notices.push(notice) })
      assert.deepEqual((await again.topic('rows'))?.offsets, [{ start: 1, end: 1 }])
      await again.close()
      assert.deepEqual([files(name), notices], [0, []], name)
    }
    log = await openEmbeddedLog({ directory: join(directory, 'log'), clock })
  })
})

describe('A large value whose file is deleted before its commit', () => {
  it('is written again, and can be read afterwards', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-retired-'))
    const clock = new SimulatedClock()
    const log = await openEmbeddedLog({ directory, clock })
    const files = () => readdirSync(join(directory, 'segments'))
    await log.createTopics(['large', 'rows'].map((name) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
    const record = (topic: string, value: Buffer) => ({ topic, partition: 0, key: null, value, timestamp: 0, headers: [] })
    const task = await log.taskProducer({ group: 'task' })
    const value = Buffer.alloc(20_000, 'value')
    task.append(record('rows', value))
    // The value is in the first file from the next turn on. The file is then filled by a record that is deleted.
    await turn()
    await turn()
    const plain = await log.producer()
    await plain.send(record('large', Buffer.alloc(129 * 1024 * 1024)))
    await plain.send(record('large', Buffer.alloc(20_000)))
    await log.deleteBefore([{ topic: 'large', partition: 0, offset: 1 }])
    const [first] = files()
    for (let round = 0; round < 2; round++) {
      await clock.advance(60_000)
      for (let turns = 0; turns < 10; turns++) await turn()
    }
    while (files().includes(first ?? '')) await turn()
    await task.commit({ positions: [], state: [] })
    // The same buffer in another topic is stored once, and not in the deleted file.
    await plain.send(record('rows', value))
    await log.close()
    const again = await openEmbeddedLog({ directory, clock })
    const runs = await Array.fromAsync(again.read({ topic: 'rows', partition: 0, from: 0, to: 2 }), ({ records }) => records)
    assert.deepEqual(
      runs.flat().map((read) => Buffer.compare(value, read.value as Uint8Array)),
      [0, 0],
    )
    await again.close()
    rmSync(directory, { recursive: true })
  })
})
