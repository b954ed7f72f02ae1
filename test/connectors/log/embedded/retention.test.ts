import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import type { StoreChange } from '../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const nothing = { positions: [], state: [] } as const

/** Stands for a disk that cannot be written. */
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

describe('What is past its retention in the embedded log', () => {
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

  it('goes while others commit without a pause', async () => {
    let isOver = false
    const busy = async () => {
      const producer = await log.taskProducer({ group: 'app' })
      while (!isOver) {
        producer.append({ topic: 'busy', partition: 0, key: null, value: Buffer.from('x'), timestamp: clock.now(), headers: [] })
        await producer.commit(nothing)
      }
    }
    // While the one's commits are synced the other's wait, so there is always one to come.
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

  it('goes together with a commit that is on its way, and neither takes the other’s end of the partition back', async () => {
    const producer = await log.taskProducer({ group: 'app' })
    producer.append({ topic: 'short', partition: 0, key: null, value: Buffer.from('new'), timestamp: clock.now() + 200_000, headers: [] })
    const committed = producer.commit(nothing)
    // It is written, and being synced.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(61_000)
    await committed
    while ((await offsets())?.start === 0) await new Promise((resolve) => setImmediate(resolve))
    await log.close()
    log = await openEmbeddedLog({ directory, clock })
    assert.deepEqual(await offsets(), { start: 1, end: 2 })
  })

  it('stays while the disk cannot be written, and goes when it can again', async () => {
    const producer = await log.taskProducer({ group: 'app' })
    await assert.rejects(producer.commit({ positions: [], state: [unwritable] }), /not to be written/)
    await clock.advance(120_000)
    await send('new')
    await clock.advance(60_000)
    while ((await offsets())?.start === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(((await offsets())?.start ?? 0) >= 1)
  })
})
