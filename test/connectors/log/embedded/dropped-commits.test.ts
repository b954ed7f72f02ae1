import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { Rocks } from '../../../../connectors/rocksdb/rocks.ts'
import { type CommitPoint, type Consumer, Handed, type ProducerRecord, type TopicPartition } from '../../../../processor/ports.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const nothing = { positions: [], state: [] } as const
function record(value: ProducerRecord['value']): ProducerRecord {
  return { topic: 'out', partition: 0, key: null, value, timestamp: 1, headers: [] }
}

describe('A commit that the embedded log drops', () => {
  let directory: string
  let log: EmbeddedLog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-dropped-'))
    log = await openEmbeddedLog({ directory, clock: new SimulatedClock() })
    await log.createTopics([{ name: 'out', partitions: 1, cleanup: 'delete', retentionMs: null }])
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  it('does not affect the commits and records that wait after it', async () => {
    const [one, other] = [await log.taskProducer({ group: 'one' }), await log.taskProducer({ group: 'other' })]
    one.append(record(Buffer.alloc(1000)))
    other.append(record(Buffer.alloc(100_000)))
    const dropped = assert.rejects(other.commit(nothing), { code: 'WAGGLE_COMMIT_DROPPED' })
    one.append(record(new Handed('out', 'x', { serialize: () => Buffer.alloc(50_000) }, [])))
    assert.ok(log.load.pendingBytes > 0)
    await one.abort()
    await dropped
    assert.equal(log.load.pendingBytes, 0)
    // One turn of the event loop, in which an earlier commit would have begun.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(log.load.pendingBytes, 0)
  })

  it('has no effect even if it was requested while the previous commit was being written', async () => {
    const [one, other] = [await log.taskProducer({ group: 'one' }), await log.taskProducer({ group: 'other' })]
    one.append(record(Buffer.from('first')))
    const first = one.commit(nothing)
    await new Promise((resolve) => setImmediate(resolve))
    const aborted = one.abort()
    other.append(record(Buffer.from('built on what goes')))
    const late = assert.rejects(other.commit({ positions: [{ topic: 'out', partition: 0, offset: 1, metadata: '' }], state: [] }), {
      code: 'WAGGLE_COMMIT_DROPPED',
    })
    await Promise.all([first, aborted, late])
    assert.deepEqual(await valuesIn(log), ['first'])
    assert.equal(log.position('other', 'out', 0), null)
  })

  it('lets a waiting reader read the durable records after the dropped records', async () => {
    const task = await log.taskProducer({ group: 'one' })
    const plain = await log.producer()
    task.append(record(Buffer.from('open')))
    const reader = log.read({ topic: 'out', partition: 0, from: 0 })
    const first = reader[Symbol.asyncIterator]().next()
    const listener = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} }
    const member = await log.subscribe({ group: 'g', topics: ['out'], offsetReset: 'earliest', isolation: 'committed', listener })
    await plain.send(record(Buffer.from('durable')))
    assert.deepEqual(await member.poll({ maxRecords: 10, maxWaitMs: 0 }), [])
    await task.abort()
    assert.equal(String((await first).value?.records[0]?.value), 'durable')
    const [run] = await member.poll({ maxRecords: 10, maxWaitMs: 0 })
    assert.equal(String(run?.records[0]?.value), 'durable')
    await reader.close()
    await member.close()
  })
})

describe('A commit of a task that worked on dropped records', () => {
  let directory: string
  let log: EmbeddedLog
  let consumer: Consumer
  const lost: TopicPartition[] = []
  const poll = { maxRecords: 10, maxWaitMs: 0 }
  const done: CommitPoint = { positions: [{ topic: 'in', partition: 0, offset: 1, metadata: '' }], state: [] }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-read-dropped-'))
    log = await openEmbeddedLog({ directory, clock: new SimulatedClock() })
    await log.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
    lost.length = 0
    consumer = await log.subscribe({
      group: 'app',
      topics: ['in'],
      offsetReset: 'earliest',
      isolation: 'handed',
      listener: { assigned: () => {}, revoked: () => {}, lost: (partitions) => void lost.push(...partitions) },
    })
    await consumer.poll(poll)
  })
  afterEach(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  const input = (value: string) => ({ ...record(Buffer.from(value)), topic: 'in' })
  const polled = async () => (await consumer.poll(poll)).flatMap(({ records }) => records.map(({ value }) => String(value)))

  it('is refused if a plain producer could not write the task’s input', async (t) => {
    const task = await log.taskProducer({ group: 'app', consumers: () => [consumer] })
    const write = t.mock.method(Rocks.prototype, 'write', () => {
      throw new Error('IO error: No space left on device')
    })
    const sent = assert.rejects((await log.producer()).send(input('refused')), { code: 'WAGGLE_DISK_FULL' })
    assert.deepEqual(await polled(), ['refused'])
    task.append(record(Buffer.from('made of it')))
    await sent
    write.mock.restore()
    await assert.rejects(task.commit(done), { code: 'WAGGLE_COMMIT_DROPPED' })
    assert.deepEqual([log.position('app', 'in', 0), await valuesIn(log)], [null, []])
    await task.abort()
    assert.deepEqual(await polled(), [])
    assert.deepEqual(lost, [{ topic: 'in', partition: 0 }])
    await (await log.producer()).send(input('kept'))
    assert.deepEqual(await polled(), ['kept'])
    task.append(record(Buffer.from('made of the other')))
    await task.commit(done)
    assert.deepEqual(await valuesIn(log), ['made of the other'])
  })

  it('is refused if another task has rolled back the input', async () => {
    const [task, other] = [await log.taskProducer({ group: 'app', consumers: () => [consumer] }), await log.taskProducer({ group: 'other' })]
    other.append(input('built on'))
    assert.deepEqual(await polled(), ['built on'])
    task.append(record(Buffer.from('made of it')))
    await other.abort()
    await assert.rejects(task.commit(done), { code: 'WAGGLE_COMMIT_DROPPED' })
    assert.equal(log.position('app', 'in', 0), null)
    assert.deepEqual(await polled(), [])
    await task.commit({ positions: [], state: [] })
  })
})

describe('A durable record after an open commit', () => {
  it('survives a deletion of older records and a crash', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-behind-'))
    const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: new SimulatedClock() })
    await log.createTopics([{ name: 'out', partitions: 1, cleanup: 'delete', retentionMs: null }])
    const plain = await log.producer()
    await plain.send(record(Buffer.from('old')))
    await plain.send(record(Buffer.from('first')))
    const task = await log.taskProducer({ group: 'one' })
    task.append(record(Buffer.from('open')))
    await plain.send(record(Buffer.from('behind')))
    await log.deleteBefore([{ topic: 'out', partition: 0, offset: 1 }])
    // The copied files are the files that a process finds after a SIGKILL.
    cpSync(join(directory, 'log'), join(directory, 'after'), { recursive: true })
    const after = await openEmbeddedLog({ directory: join(directory, 'after'), clock: new SimulatedClock() })
    assert.deepEqual((await after.topic('out'))?.offsets, [{ start: 1, end: 4 }])
    assert.deepEqual(await valuesIn(after), ['first', 'behind'])
    await after.close()
    await log.close()
    rmSync(directory, { recursive: true })
  })
})

describe('A member of a group that loses its partitions', () => {
  it('takes no partition from a member that joined before its own next poll', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-lost-'))
    const log = await openEmbeddedLog({ directory, clock: new SimulatedClock() })
    await log.createTopics([{ name: 'out', partitions: 4, cleanup: 'delete', retentionMs: null }])
    const owned = { x: new Set<number>(), y: new Set<number>() }
    const member = (name: 'x' | 'y') =>
      log.subscribe({
        group: 'g',
        topics: ['out'],
        offsetReset: 'earliest',
        isolation: 'handed',
        listener: {
          assigned: async (places) => {
            for (const { partition } of places) owned[name].add(partition)
          },
          revoked: async (places) => {
            for (const { partition } of places) owned[name].delete(partition)
          },
          lost: async () => owned[name].clear(),
        },
      })
    const poll = { maxRecords: 10, maxWaitMs: 0 }
    const x = await member('x')
    await x.poll(poll)
    assert.equal(owned.x.size, 4)
    const y = await member('y')
    const task = await log.taskProducer({ group: 'g' })
    await task.abort()
    await y.poll(poll)
    await x.poll(poll)
    await y.poll(poll)
    assert.deepEqual([owned.x.size, owned.y.size], [2, 2])
    await log.close()
    rmSync(directory, { recursive: true })
  })
})

async function valuesIn(log: EmbeddedLog): Promise<readonly string[]> {
  const values: string[] = []
  for await (const { records } of log.read({ topic: 'out', partition: 0, from: 0, to: (await log.topic('out'))?.offsets[0]?.end ?? 0 }))
    for (const { value } of records) values.push(String(value))
  return values
}
