import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { RequestSearch } from '../../../ops/inspection/request-search.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { textHeader } from '../../../topology/record.ts'
import { requestIdHeader, roundsHeader } from '../../../topology/swarm/request/headers.ts'

const topic = 'waggle.shop.price'
const entrance = 'waggle.gateway.door'
const records = 20_000
const stepMs = 180

describe('The search for a request on a log with an hour of records', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-search-'))
  const clock = new SimulatedClock()
  let log: EmbeddedLog
  let begin = 0

  before(async () => {
    log = await openEmbeddedLog({ directory, clock })
    await log.createTopics([topic, entrance].map((name) => ({ name, partitions: 1, cleanup: 'delete' as const, retentionMs: null })))
    begin = clock.now()
    const producer = await log.taskProducer({ group: 'shop' })
    for (let at = 0; at < records; at++) {
      producer.append({ topic, partition: 0, key: Buffer.from(`r-${at}`), value: Buffer.from('1'), timestamp: begin + at * stepMs, headers: [] })
      if (at % 1000 === 999) await producer.commit({ positions: [], state: [] })
    }
    // A request that took half a minute is written after newer requests.
    const slow = { topic, partition: 0, key: Buffer.from('slow'), value: null, timestamp: begin + (records - 200) * stepMs, headers: [] }
    producer.append(slow)
    for (const round of [1, 2])
      producer.append({
        ...slow,
        key: Buffer.from('loop'),
        headers: [textHeader(roundsHeader, `loop=${round}`)],
        timestamp: begin + records * stepMs,
      })
    producer.append({ ...slow, topic: entrance, key: Buffer.from('other'), headers: [textHeader(requestIdHeader, 'foreign')] })
    await producer.commit({ positions: [], state: [] })
    await clock.advance(records * stepMs)
  })
  after(async () => {
    await log.close()
    rmSync(directory, { recursive: true })
  })

  const searchFor = (id: string, maxRecords = 5000) => new RequestSearch({ log, clock, id }, { maxRecords })
  const offsetsOf = (found: readonly { readonly record: { readonly offset: number } }[]) => found.map(({ record }) => record.offset)

  it('reads only the records around the request’s time', async () => {
    for (const at of [0, 1, 777, 10_000, records - 1]) {
      const search = searchFor(`r-${at}`, 600)
      assert.deepEqual(offsetsOf(await search.in(topic, { exact: begin + at * stepMs })), [at])
      assert.ok(search.isComplete)
    }
  })

  it('goes back from a given time that is later than the record’s time', async () => {
    assert.deepEqual(offsetsOf(await searchFor('r-10000').in(topic, { about: begin + 10_200 * stepMs })), [10_000])
  })

  it('finds a record that was written after the records of later requests', async () => {
    assert.deepEqual(offsetsOf(await searchFor('slow').in(topic, { exact: begin + (records - 200) * stepMs })), [records])
  })

  it('finds the record of each round of a loop', async () => {
    assert.deepEqual(offsetsOf(await searchFor('loop').in(topic, { exact: begin + records * stepMs })), [records + 1, records + 2])
  })

  it('finds a record with another key on the entrance’s topic by the id in its header', async () => {
    assert.deepEqual(offsetsOf(await searchFor('foreign').in(entrance, null, { isEntrance: true })), [0])
  })

  it('finds an id without a time, among the newest records first', async () => {
    const search = searchFor(`r-${records - 100}`, 500)
    assert.deepEqual(offsetsOf(await search.in(topic, null)), [records - 100])
  })

  it('ends at its limit of records, and reports that it is incomplete', async () => {
    const search = searchFor('nobody', 3000)
    assert.deepEqual(await search.in(topic, null), [])
    assert.equal(search.isComplete, false)
  })
})
