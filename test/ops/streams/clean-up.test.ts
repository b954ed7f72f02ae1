import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'
import { openStateDirectory } from '../../../connectors/rocksdb/state-directory.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'

const text = Serdes.string()

describe('The method Streams.cleanUp', () => {
  let stateDir: string
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'waggle-clean-up-'))
  })
  afterEach(() => rmSync(stateDir, { recursive: true }))

  function streamsOn(log: 'embedded' | 'kafka'): Streams {
    const builder = new StreamsBuilder()
    builder
      .stream('visits', Consumed.with(text, text))
      .groupByKey(Grouped.with(text, text))
      .count(Materialized.as('counts', { keySerde: text, valueSerde: Serdes.long() }))
      .toStream()
      .to('counted', Produced.with(text, Serdes.long()))
    const config = { applicationId: 'visits', stateDir, commitIntervalMs: 5, cacheMaxBytes: 0 }
    // No broker listens there, and cleanUp needs no broker.
    return new Streams(builder.build(), { ...config, log: log === 'embedded' ? log : { kafka: { brokers: ['127.0.0.1:1'] } } })
  }

  const open = (name: string) => openStateDirectory({ directory: join(stateDir, 'state', name), random: new SystemRandom() })

  it('deletes the state of the application and of its workers on Kafka, and no other state', async () => {
    for (const name of ['visits', 'visits-StreamThread-1', 'visits-StreamThread-12', 'visits-2', 'visits-StreamThread-x'])
      await (await open(name)).close()
    const streams = streamsOn('kafka')
    await streams.cleanUp()
    assert.deepEqual(readdirSync(join(stateDir, 'state')).toSorted(), ['visits-2', 'visits-StreamThread-x'])
    // A missing folder is not an error.
    await streams.cleanUp()
    rmSync(join(stateDir, 'state'), { recursive: true })
    await streams.cleanUp()
  })

  it('is refused while another process has the state open, and deletes nothing', async () => {
    await (await open('visits')).close()
    const other = await open('visits-StreamThread-1')
    await assert.rejects(streamsOn('kafka').cleanUp(), { code: 'WAGGLE_DATA_DIR_IN_USE' })
    await other.close()
    assert.ok(existsSync(join(stateDir, 'state', 'visits')))
  })

  it('is refused while the program runs, and keeps the embedded log’s state, which has no other copy', async () => {
    const visit = (streams: Streams) => streams.send('visits', { key: 'a', value: 'x' }, Produced.with(text, text))
    const streams = streamsOn('embedded')
    await streams.start()
    await visit(streams)
    for await (const _ of streams.records('counted', Consumed.with(text, Serdes.long()))) break
    await assert.rejects(streams.cleanUp(), { code: 'WAGGLE_ALREADY_STARTED', message: 'visits is RUNNING, so its state is in use' })
    await streams.close()
    await streams.cleanUp()
    await using again = streamsOn('embedded')
    await again.start()
    await visit(again)
    const values: number[] = []
    for await (const { value } of again.records('counted', Consumed.with(text, Serdes.long()))) if (values.push(Number(value)) === 2) break
    assert.deepEqual(values, [1, 2])
  })
})
