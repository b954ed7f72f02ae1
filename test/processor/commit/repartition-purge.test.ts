import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { Log } from '../../../processor/ports.ts'
import { decorated } from '../../../topology/decorated.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const text = Serdes.string()
const repartition = 'app-words-repartition'

function topology() {
  const builder = new StreamsBuilder()
  builder
    .stream('in', Consumed.with(text, text))
    .groupBy((_, value) => value, Grouped.with(text, text, { name: 'words' }))
    .count(Materialized.as('counts'))
    .toStream()
    .to('out', Produced.with(text, Serdes.long()))
  return decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
}

/** Counts one word a second for `seconds`. Returns the start and the end of the repartition topic, and all notices. */
async function purged(
  seconds: number,
  meddle: (log: Log) => Log = (log) => log,
  { quietSeconds = 0, ...more }: { readonly repartitionPurgeIntervalMs?: number; readonly quietSeconds?: number } = {},
) {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const notices: string[] = []
  const onNotice = (notice: string) => void notices.push(notice)
  const application = new Application({
    applicationId: 'app',
    topology: topology(),
    log: meddle(log),
    clock: world.clock,
    topics: [],
    onNotice,
    ...more,
  })
  void application.start()
  await world.clock.until(() => application.state === 'RUNNING')
  const producer = await log.producer()
  for (let at = 0; at < seconds; at++) {
    void producer.send({ topic: 'in', partition: 0, key: null, value: Buffer.from('word'), timestamp: at, headers: [] })
    await world.clock.advance(1000)
  }
  for (let at = 0; at < quietSeconds; at++) await world.clock.advance(1000)
  const { start = -1, end = -1 } = (await log.topic(repartition))?.offsets[0] ?? {}
  return { start, end, inStart: (await log.topic('in'))?.offsets[0]?.start, notices }
}

describe('A repartition topic', () => {
  it('loses its processed records every thirty seconds, or as often as configured, and no other topic does', async () => {
    assert.deepEqual(await purged(25), { start: 0, end: 25, inStart: 0, notices: [] })
    const half = await purged(45)
    assert.ok(half.start >= 29 && half.start <= 32, `${half.start}`)
    assert.equal(half.inStart, 0)
    const soon = await purged(45, undefined, { repartitionPurgeIntervalMs: 5000 })
    assert.ok(soon.start >= 40 && soon.start <= 45, `${soon.start}`)
  })

  it('keeps its records if the log cannot delete', async () => {
    const without = (log: Log) => Object.assign(log, { deleteBefore: undefined })
    assert.deepEqual(await purged(45, without), { start: 0, end: 45, inStart: 0, notices: [] })
  })

  it('keeps its records if their deletion is not permitted, which is reported once', async () => {
    let tries = 0
    const refusing = (log: Log) =>
      Object.assign(log, {
        deleteBefore: async () => {
          tries++
          throw new WaggleError('WAGGLE_NOT_PERMITTED', { message: 'No', next: 'Give this user the right.' })
        },
      })
    const { start, notices } = await purged(45, refusing, { repartitionPurgeIntervalMs: 1000 })
    const said = 'Repartition topics keep what is done: No. Give this user the right. Until the next start it is not tried again.'
    assert.deepEqual([start, tries, notices], [0, 1, [said]])
  })

  it('loses its processed records by a second attempt after a failed one, even if no further record comes', async () => {
    let tries = 0
    const failingOnce = (log: Log) => {
      const deleteBefore = log.deleteBefore?.bind(log)
      return Object.assign(log, {
        deleteBefore: async (places: Parameters<NonNullable<Log['deleteBefore']>>[0]) => {
          if (tries++ === 0) throw new WaggleError('WAGGLE_LOG_UNREACHABLE', { message: 'Nobody answers', next: 'Wait.' })
          await deleteBefore?.(places)
        },
      })
    }
    const { start, end, notices } = await purged(5, failingOnce, { quietSeconds: 65 })
    assert.deepEqual([start, end, tries, notices.length], [5, 5, 2, 1])
  })
})
