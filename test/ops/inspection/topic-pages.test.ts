import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ShownValues } from '../../../ops/inspection/shown-values.ts'
import { TopicPages } from '../../../ops/inspection/topic-pages.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { textHeader } from '../../../topology/record.ts'

it('A page of records has about 4 MiB including headers, and the next page continues after it', async () => {
  const clock = new SimulatedClock()
  const traits = { atomicCommit: true, repeatsRecords: false, handsOn: true }
  const log = new SimulatedLog({ disk: new SimulatedDisk(), clock, random: new SimulatedRandom(1), traits })
  await log.createTopics([{ name: 'in', partitions: 1, cleanup: 'delete', retentionMs: null }])
  const producer = await log.producer()
  const headers = [textHeader('note', 'x'.repeat(400_000))]
  const sent = Array.from({ length: 25 }, () =>
    producer.send({ topic: 'in', partition: 0, key: null, value: Buffer.from('v'), timestamp: clock.now(), headers }),
  )
  await clock.advance(1000)
  await Promise.all(sent)
  const pages = new TopicPages({ log, clock, values: new ShownValues(null) })
  const sizes: number[] = []
  for (let from = 'start'; sizes.at(-1) !== 0; ) {
    const { records, next } = await pages.page('in', { from, max: 1000, waitMs: 0 })
    assert.ok(JSON.stringify(records).length < 5 * 1024 * 1024)
    sizes.push(records.length)
    from = next
  }
  assert.deepEqual(sizes, [11, 11, 3, 0])
})
