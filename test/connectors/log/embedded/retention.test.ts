import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import type { CommitPoint, StoreChange, TopicSpec } from '../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const nothing = { positions: [], state: [] } as const

/** A change that cannot be written, as on a broken disk. */
const unwritable: StoreChange = {
  task: 'task',
  store: 'store',
  entries: {
    [Symbol.iterator]() {
      throw new Error('not to be written')
    },
  },
  logged: null,
}

describe('A record past its retention in the embedded log', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-retention-'))
    clock = new SimulatedClock()
    log = await openEmbeddedLog({ directory, clock })
    await log.createTopics([
      { name: 'short', partitions: 1, cleanup: 'delete', retentionMs: 1000 },
      { name: 'busy', partitions: 1, cleanup: 'delete', retentionMs: null },
    ])
    await send('old')
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  async function send(value: string): Promise<void> {
    await (await log.producer()).send({ topic: 'short', partition: 0, key: null, value: Buffer.from(value), timestamp: clock.now(), headers: [] })
  }

  const offsets = async () => (await log.topic('short'))?.offsets[0]

  it('is deleted while other tasks commit without a pause', async () => {
    let isOver = false
    const busy = async () => {
      const producer = await log.taskProducer({ group: 'app' })
      while (!isOver) {
        producer.append({ topic: 'busy', partition: 0, key: null, value: Buffer.from('x'), timestamp: clock.now(), headers: [] })
        await producer.commit(nothing)
      }
    }
    // Two producers alternate: while the commit of one producer is synced, the commit of the other waits. So there is always a next commit.
    const first = busy()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    const second = busy()
    await clock.advance(61_000)
    const before = (await log.topic('busy'))?.offsets[0]?.end ?? 0
    const isEnough = async () => ((await log.topic('busy'))?.offsets[0]?.end ?? 0) > before + 200
    while ((await offsets())?.start === 0 && !(await isEnough())) await new Promise((resolve) => setImmediate(resolve))
    const found = await offsets()
    isOver = true
    await Promise.all([first, second])
    assert.deepEqual(found, { start: 1, end: 1 })
  })

  it('is deleted while a commit is being written, and the end of the partition does not move back', async () => {
    const producer = await log.taskProducer({ group: 'app' })
    producer.append({ topic: 'short', partition: 0, key: null, value: Buffer.from('new'), timestamp: clock.now() + 200_000, headers: [] })
    const committed = producer.commit(nothing)
    // The commit is written, and its sync is in progress.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(61_000)
    await committed
    while ((await offsets())?.start === 0) await new Promise((resolve) => setImmediate(resolve))
    await log.close()
    log = await openEmbeddedLog({ directory, clock })
    assert.deepEqual(await offsets(), { start: 1, end: 2 })
  })

  it('is kept while the disk cannot be written, and is deleted afterwards', async () => {
    const producer = await log.taskProducer({ group: 'app' })
    await assert.rejects(producer.commit({ positions: [], state: [unwritable] }), /not to be written/)
    await clock.advance(120_000)
    await send('new')
    await clock.advance(60_000)
    while ((await offsets())?.start === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(((await offsets())?.start ?? 0) >= 1)
  })
})

describe('An unread record of the embedded log', () => {
  const long = 3_600_000
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog
  let notices: string[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-unread-'))
    clock = new SimulatedClock()
    notices = []
    await open()
    await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: 1000 }])
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  async function open(maxBytes: number | null = null): Promise<void> {
    log = await openEmbeddedLog({ directory, clock, maxBytes, onNotice: (notice) => notices.push(notice) })
  }

  async function send(bytes = 10): Promise<void> {
    const value = Buffer.alloc(bytes, Math.floor(bytes))
    await (await log.producer()).send({ topic: 'rows', partition: 0, key: null, value, timestamp: clock.now(), headers: [] })
  }

  const at = (offset: number): CommitPoint => ({ positions: [{ topic: 'rows', partition: 0, offset, metadata: '' }], state: [] })
  const start = async () => (await log.topic('rows'))?.offsets[0]?.start
  const commit = async (offset: number) => (await log.taskProducer({ group: 'sink' })).commit(at(offset))

  /** Moves the clock. Timers fire one after the other, and the work of each timer settles before the next timer fires. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 60_000) {
      await clock.advance(60_000)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  it('is kept while its reader is stopped, even after a restart, and its reader is reported once', async () => {
    await send()
    await commit(0)
    await pass(long)
    await log.close()
    await open()
    notices = []
    await pass(long)
    assert.equal(await start(), 0)
    assert.deepEqual(
      notices.map((notice) => /reader sink has not read.*1 records of rows, partition 0.*waggle reset --reader sink/.test(notice)),
      [true],
    )
  })

  it('is kept for a subscribed group that has not committed yet', async () => {
    const listener = { assigned: () => {}, revoked: () => {}, lost: () => {} }
    const consumer = await log.subscribe({ group: 'new', topics: ['rows'], offsetReset: 'earliest', isolation: 'handed', listener })
    await send()
    await pass(long)
    assert.equal(await start(), 0)
    await consumer.close()
  })

  it('is kept on a full disk until the groups of a starting process have subscribed', async () => {
    await send()
    await log.close()
    await open(1)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await start(), 0)
    const listener = { assigned: () => {}, revoked: () => {}, lost: () => {} }
    const consumer = await log.subscribe({ group: 'new', topics: ['rows'], offsetReset: 'earliest', isolation: 'handed', listener })
    await pass(long)
    assert.equal(await start(), 0)
    await consumer.close()
  })

  it('is deleted after it has been read', async () => {
    await send()
    await send()
    await commit(1)
    await pass(long)
    assert.equal(await start(), 1)
    await commit(2)
    await pass(long)
    assert.equal(await start(), 2)
  })

  it('is deleted after the positions of its reader have been deleted', async () => {
    await send()
    await commit(0)
    assert.equal(log.hasPositions('sink'), true)
    await log.forgetPositions('sink')
    assert.equal(log.hasPositions('sink'), false)
    await pass(long)
    assert.equal(await start(), 1)
  })

  it('keeps the file of its large value, and the file is deleted together with the record', async () => {
    const files = () => readdirSync(join(directory, 'segments')).length
    await send(100_000)
    await commit(0)
    // The file that is being written is never deleted.
    await log.close()
    await open()
    await pass(long)
    assert.equal(files(), 1)
    await commit(1)
    await pass(long)
    while (files() > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('makes gateways refuse requests at the disk limit, with its reader’s name, until that reader has read it', async () => {
    await log.close()
    await open(1024 * 1024)
    for (let sent = 0; sent < 12; sent++) await send(100_000 + sent)
    await commit(2)
    await clock.advance(5_000)
    assert.equal(log.storage.refusal, null, 'a reader that has just fallen behind is at work')
    assert.match(notices.join(), /of 1 MiB that it may have.*reader sink is 10 records of rows, partition 0, behind/)
    await clock.advance(60_000)
    assert.match(log.storage.refusal ?? '', /reader sink is 10 records of rows, partition 0, behind/)
    await commit(12)
    await clock.advance(5_000)
    assert.equal(log.storage.refusal, null)
  })

  it('makes gateways name a reader without progress, even if another reader has more unread records', async () => {
    await log.close()
    await open(1024 * 1024)
    await log.createTopics([{ name: 'other', partitions: 1, cleanup: 'delete', retentionMs: null }])
    const other = { topic: 'other', partition: 0 }
    await (await log.producer()).send({ ...other, key: null, value: Buffer.from('old'), timestamp: clock.now(), headers: [] })
    const still = await log.taskProducer({ group: 'still' })
    await still.commit({ positions: [{ ...other, offset: 0, metadata: '' }], state: [] })
    await clock.advance(60_000)
    for (let sent = 0; sent < 12; sent++) await send(100_000 + sent)
    await commit(0)
    await clock.advance(5_000)
    assert.match(log.storage.refusal ?? '', /reader still is 1 records of other/)
    await still.commit({ positions: [{ ...other, offset: 1, metadata: '' }], state: [] })
    await clock.advance(5_000)
    assert.equal(log.storage.refusal, null)
  })
})

describe('The retention of an existing topic', () => {
  let directory: string
  let clock: SimulatedClock
  let log: EmbeddedLog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-kept-'))
    clock = new SimulatedClock()
    log = await openEmbeddedLog({ directory, clock })
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  const rows = (retention: Pick<TopicSpec, 'retentionMs' | 'retentionBytes' | 'cleanup'>) =>
    log.createTopics([{ name: 'rows', partitions: 1, ...retention }])
  const start = async (topic = 'rows') => (await log.topic(topic))?.offsets[0]?.start
  const files = () => readdirSync(join(directory, 'segments')).length

  async function reopen(): Promise<void> {
    await log.close()
    log = await openEmbeddedLog({ directory, clock })
  }

  async function send(bytes: number, { topic = 'rows', key = null as string | null, value = Buffer.alloc(bytes, 1) } = {}): Promise<void> {
    const named = { topic, partition: 0, key: key === null ? null : Buffer.from(key), value, timestamp: clock.now(), headers: [] }
    await (await log.producer()).send(named)
  }

  async function pass(ms: number, stepMs = 60_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await clock.advance(stepMs)
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  it('is the value that the last start set, even after a restart', async () => {
    await rows({ cleanup: 'delete', retentionMs: 86_400_000 })
    await send(10)
    await rows({ cleanup: 'delete', retentionMs: 1000 })
    assert.equal((await log.topic('rows'))?.retentionMs, 1000)
    await reopen()
    assert.equal((await log.topic('rows'))?.retentionMs, 1000)
    await pass(120_000)
    assert.equal(await start(), 1)
  })

  it('stays unchanged if a start sets no retention', async () => {
    await rows({ cleanup: 'delete', retentionMs: 1000 })
    await rows({ cleanup: 'delete', retentionMs: null })
    assert.equal((await log.topic('rows'))?.retentionMs, 1000)
  })

  it('deletes the oldest records above a size limit, and keeps as many as fit', async () => {
    await rows({ cleanup: 'delete', retentionMs: 86_400_000, retentionBytes: 1_000_000 })
    for (let sent = 0; sent < 25; sent++) await send(100_000, { value: Buffer.alloc(100_000, sent) })
    await pass(10_000, 5000)
    const first = (await start()) ?? 0
    assert.ok(first >= 15 && first <= 17, `${first}`)
  })

  it('counts records of earlier processes against a size limit', async () => {
    await rows({ cleanup: 'delete', retentionMs: 86_400_000, retentionBytes: 1_000_000_000 })
    for (let sent = 0; sent < 25; sent++) await send(100_000, { value: Buffer.alloc(100_000, sent) })
    await reopen()
    await rows({ cleanup: 'delete', retentionMs: 86_400_000, retentionBytes: 1_000_000 })
    await pass(10_000, 5000)
    const first = (await start()) ?? 0
    assert.ok(first >= 15 && first <= 17, `${first}`)
    await pass(180_000)
    // The current segment contains the remaining records.
    while (files() > 1) await new Promise((resolve) => setImmediate(resolve))
  })

  it('keeps an unread record even above a size limit', async () => {
    await rows({ cleanup: 'delete', retentionMs: 86_400_000, retentionBytes: 1 })
    for (let sent = 0; sent < 5; sent++) await send(1000)
    const sink = await log.taskProducer({ group: 'sink' })
    await sink.commit({ positions: [{ topic: 'rows', partition: 0, offset: 2, metadata: '' }], state: [] })
    await pass(10_000, 5000)
    assert.equal(await start(), 2)
  })

  it('frees all files of a topic after its records were deleted, even the last file', async () => {
    await rows({ cleanup: 'delete', retentionMs: null })
    for (let sent = 0; sent < 3; sent++) await send(100_000, { value: Buffer.alloc(100_000, sent) })
    await reopen()
    await log.deleteBefore([{ topic: 'rows', partition: 0, offset: 3 }])
    await pass(180_000)
    assert.deepEqual((await log.topic('rows'))?.offsets, [{ start: 3, end: 3 }])
    while (files() > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('frees the files of a compacted topic after newer records have replaced all records in the files', async () => {
    await rows({ cleanup: 'compact', retentionMs: null })
    for (let sent = 0; sent < 3; sent++) await send(100_000, { key: 'a', value: Buffer.alloc(100_000, sent) })
    await send(10, { key: 'b' })
    await reopen()
    await send(10, { key: 'a' })
    await send(10, { key: 'b' })
    await pass(180_000)
    while (files() > 0) await new Promise((resolve) => setImmediate(resolve))
    await reopen()
    const read = await Array.fromAsync(log.read({ topic: 'rows', partition: 0, from: 0, to: 6 }), ({ records }) => records)
    assert.deepEqual(
      read.flat().map(({ offset, key }) => [offset, Buffer.from(key ?? []).toString()]),
      [
        [4, 'a'],
        [5, 'b'],
      ],
    )
  })
})
