import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { loadRocksLevel } from '../../../../connectors/rocksdb/rocks-binding.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

describe('A removal from an embedded log', () => {
  const clock = new SimulatedClock()
  let directory: string
  let log: EmbeddedLog
  const notices: string[] = []

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-removal-'))
    await open()
    for (const name of ['mine', 'yours']) await make(name)
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  async function open(): Promise<void> {
    log = await openEmbeddedLog({ directory, clock, onNotice: (notice) => notices.push(notice) })
  }

  /** Makes a topic with three records (one of them large), a position in the topic, and a store. */
  async function make(name: string): Promise<void> {
    await log.createTopics([{ name, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const producer = await log.producer()
    for (const size of [10, 100_000, 10]) {
      await producer.send({ topic: name, partition: 0, key: null, value: Buffer.alloc(size, name), timestamp: 0, headers: [] })
    }
    const tasks = await log.taskProducer({ group: name })
    const entries = [[Buffer.from('key'), Buffer.from(name)] as const]
    const state = [{ task: `${name}/0`, store: 'store', entries, logged: null }]
    await tasks.commit({ positions: [{ topic: name, partition: 0, offset: 2, metadata: '' }], state })
    await tasks.close()
  }

  const removed = { topics: ['mine'], groups: ['mine'], applications: ['mine'] }
  const stored = (name: string) => log.state.open(`${name}/0`, 'store').get(Buffer.from('key'))?.toString() ?? null
  const records = async (topic: string, to: number) => {
    const runs = await Array.fromAsync(log.read({ topic, partition: 0, from: 0, to }), (run) => run.records)
    return runs.flat().map(({ value }) => Buffer.from(value as Uint8Array).length)
  }

  async function expectOnlyYours(): Promise<void> {
    assert.deepEqual(await log.topics(), ['yours'])
    assert.deepEqual(log.holdings(), { groups: ['yours'], applications: ['yours'] })
    assert.equal(log.position('yours', 'yours', 0)?.offset, 2)
    assert.equal(stored('yours'), 'yours')
    assert.deepEqual(await records('yours', 3), [10, 100_000, 10])
  }

  it('leaves no record of an open commit to a later topic that gets the removed topic’s number', async () => {
    await make('last')
    const tasks = await log.taskProducer({ group: 'yours' })
    for (const topic of ['last', 'yours']) {
      for (const size of [10, 100_000]) {
        tasks.append({ topic, partition: 0, key: null, value: Buffer.alloc(size, 'late'), timestamp: 0, headers: [] })
      }
    }
    await log.remove({ topics: ['last'], groups: ['last'], applications: ['last'] })
    await tasks.commit({ positions: [], state: [] })
    await log.close()
    await open()
    await log.createTopics([{ name: 'next', partitions: 1, cleanup: 'delete', retentionMs: null }])
    assert.deepEqual((await log.topic('next'))?.offsets, [{ start: 0, end: 0 }])
    assert.deepEqual(await records('yours', 5), [10, 100_000, 10, 10, 100_000])
  })

  it('deletes a topic, its positions and a store, but no other data, even after a restart', async () => {
    await log.remove(removed)
    await expectOnlyYours()
    await log.close()
    await open()
    await expectOnlyYours()
    assert.deepEqual(notices, [])
  })

  it('leaves no data to a new topic and a new store of the same names', async () => {
    await log.remove(removed)
    await log.close()
    await open()
    await log.createTopics([{ name: 'mine', partitions: 1, cleanup: 'delete', retentionMs: null }])
    assert.deepEqual((await log.topic('mine'))?.offsets, [{ start: 0, end: 0 }])
    assert.equal(log.position('mine', 'mine', 0), null)
    assert.equal(stored('mine'), null)
    await (await log.producer()).send({ topic: 'mine', partition: 0, key: null, value: Buffer.alloc(1), timestamp: 0, headers: [] })
    assert.deepEqual(await records('mine', 1), [1])
  })

  it('deletes the positions of all groups in a deleted topic', async () => {
    const other = await log.taskProducer({ group: 'other' })
    await other.commit({ positions: [{ topic: 'mine', partition: 0, offset: 3, metadata: '' }], state: [] })
    await log.remove(removed)
    assert.equal(log.position('other', 'mine', 0), null)
  })

  it('is finished by the next start after a crash', async (t) => {
    const { prototype } = await loadRocksLevel()
    t.mock.method(prototype, '_clear', (_options: object, callback: (error: Error) => void) => process.nextTick(callback, new Error('it crashed')))
    await assert.rejects(log.remove(removed), /it crashed/)
    t.mock.restoreAll()
    await log.close()
    await open()
    await expectOnlyYours()
    for (const name of ['new', 'newer']) await make(name)
    assert.deepEqual(await records('newer', 3), [10, 100_000, 10])
    assert.equal(stored('new'), 'new')
  })

  it('frees the file of a large value that no other record names', async () => {
    await log.close()
    await open()
    await make('last')
    await log.remove({ topics: ['mine', 'yours'], groups: [], applications: [] })
    await log.close()
    await open()
    assert.equal(readdirSync(join(directory, 'segments')).length, 1)
  })

  it('changes nothing if there is nothing to remove', async () => {
    await log.remove({ topics: ['nowhere'], groups: ['nobody'], applications: ['none'] })
    assert.deepEqual(await log.topics(), ['mine', 'yours'])
  })
})
