import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { Handed, type ProducerRecord } from '../../../../processor/ports.ts'
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

  it('has no effect on the commits and records that wait behind it', async () => {
    const [one, other] = [await log.taskProducer({ group: 'one' }), await log.taskProducer({ group: 'other' })]
    one.append(record(Buffer.alloc(1000)))
    other.append(record(Buffer.alloc(100_000)))
    const dropped = assert.rejects(other.commit(nothing), { code: 'WAGGLE_COMMIT_DROPPED' })
    one.append(record(new Handed('out', 'x', { serialize: () => Buffer.alloc(50_000) }, [])))
    assert.ok(log.load.pendingBytes > 0)
    await one.abort()
    await dropped
    assert.equal(log.load.pendingBytes, 0)
    // One turn of the event loop, in which a commit ahead of it would have begun.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(log.load.pendingBytes, 0)
  })

  it('has no effect where it was requested while the commit before it was being written', async () => {
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

  it('lets a waiting reader have the durable records behind its own', async () => {
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

describe('A durable record behind an open commit', () => {
  it('is there after a deletion of older records and a crash', async () => {
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
    // A copy of the files is what a process finds that starts after a SIGKILL.
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
  it('leaves to a member that came before its next poll the part of that member', async () => {
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
