import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { Log } from '../../../processor/ports.ts'
import { SkippedRecords } from '../../../processor/thread/skipped-records.ts'
import type { OffsetReset } from '../../../topology/consumed.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'
import { settled } from '../../support/settled.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const text = Serdes.string()

/** Ten records, of which the first two are processed and the next three deleted. Then the application reads on. */
async function readsOn({ offsetReset = 'earliest', hasPosition = true }: { offsetReset?: OffsetReset; hasPosition?: boolean } = {}) {
  const world = new SimulatedWorld({ traits: { atomicCommit: true, repeatsRecords: true, handsOn: false } })
  const log = world.boot()
  await log.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const producer = await log.producer()
  for (let at = 0; at < 10; at++) {
    await settled(world.clock, producer.send({ topic: 'in', partition: 0, key: null, value: Buffer.from(`${at}`), timestamp: at, headers: [] }))
  }
  if (hasPosition) {
    const tasks = await log.taskProducer({ group: 'app' })
    await settled(world.clock, tasks.commit({ positions: [{ topic: 'in', partition: 0, offset: 2, metadata: '' }], state: [] }))
  }
  await log.deleteBefore?.([{ topic: 'in', partition: 0, offset: 5 }])
  let failsOnce = true
  const builder = new StreamsBuilder()
  builder
    .stream('in', Consumed.with(text, text, { offsetReset }))
    .mapValues((value) => {
      // A task that goes back to its last commit meets the same gap again.
      if (value === '7' && failsOnce) {
        failsOnce = false
        throw new Error('once')
      }
      return value
    })
    .to('out', Produced.with(text, text))
  const failures: WaggleError[] = []
  const application = new Application({
    applicationId: 'app',
    topology: builder.build(),
    log,
    clock: world.clock,
    topics: [],
    onFailure: (error) => failures.push(error),
  })
  void application.start()
  const values = () => (world.disk.topics.get('out')?.partitions[0]?.records ?? []).map(({ value }) => String(value))
  const lost = () => application.metrics(world.clock.now()).filter(({ name }) => name === 'lost-records-total')
  return { world, log: log as Log, application, failures, values, lost, end: () => settled(world.clock, application.close({ timeoutMs: 1000 })) }
}

describe('Records that were deleted before an application read them', () => {
  it('give one error with topic, partition and offsets, and are counted once, even if the thread rolls back to them', async () => {
    const { world, failures, values, lost, end } = await readsOn()
    await world.clock.until(() => values().length === 5)
    assert.deepEqual(values(), ['5', '6', '7', '8', '9'])
    const [failure, ...more] = failures.filter(({ code }) => code === 'WAGGLE_RECORDS_LOST')
    assert.match(failure?.message ?? '', /^Offsets 2 to 4 of in, partition 0, are skipped: up to 3 records were deleted/)
    assert.match(failure?.next ?? '', /retention/)
    assert.deepEqual(more, [])
    assert.deepEqual(
      lost().map(({ tags, value }) => [tags.topic, tags.partition, value]),
      [['in', '0', 3]],
    )
    await end()
  })

  it('give no error if the application never had a position, even after a rollback to its start', async () => {
    const { world, failures, values, lost, end } = await readsOn({ hasPosition: false })
    await world.clock.until(() => values().length === 5)
    assert.deepEqual(
      failures.filter(({ code }) => code === 'WAGGLE_RECORDS_LOST'),
      [],
    )
    assert.deepEqual(lost(), [])
    await end()
  })

  it('are counted together with the records that a source with offsetReset latest skips', async () => {
    const { world, lost, end } = await readsOn({ offsetReset: 'latest' })
    await world.clock.until(() => lost().length > 0)
    assert.equal(lost()[0]?.value, 8)
    await end()
  })
})

describe('Skipped records', () => {
  it('are counted once if two gaps overlap', () => {
    const errors: WaggleError[] = []
    const skipped = new SkippedRecords('t', (error) => errors.push(error))
    const place = { topic: 'in', partition: 0 }
    for (const [from, to] of [
      [2, 5],
      [2, 7],
      [3, 7],
    ] as const)
      skipped.add({ ...place, from, to })
    assert.deepEqual(
      errors.map(({ message }) => message.replace(/: .*/, '')),
      ['Offsets 2 to 4 of in, partition 0, are skipped', 'Offsets 5 to 6 of in, partition 0, are skipped'],
    )
    assert.equal(skipped.metrics[0]?.value, 5)
  })

  it('are reported once for a topic that was created again, and only gaps of the new topic are counted', () => {
    const errors: WaggleError[] = []
    const skipped = new SkippedRecords('t', (error) => errors.push(error))
    const place = { topic: 'in', partition: 0 }
    for (const [from, to] of [
      [40, 0],
      [40, 0],
      [2, 3],
    ] as const)
      skipped.add({ ...place, from, to })
    assert.equal(errors.length, 2)
    assert.match(errors[0]?.message ?? '', /^Offset 40 of in, partition 0, is past its end: the topic was made anew or cut/)
    assert.match(errors[1]?.message ?? '', /the record was deleted/)
    assert.equal(skipped.metrics[0]?.value, 1)
  })
})
