import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
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
})

async function valuesIn(log: EmbeddedLog): Promise<readonly string[]> {
  const values: string[] = []
  for await (const { records } of log.read({ topic: 'out', partition: 0, from: 0, to: (await log.topic('out'))?.offsets[0]?.end ?? 0 }))
    for (const { value } of records) values.push(String(value))
  return values
}
