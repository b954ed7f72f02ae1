import assert from 'node:assert/strict'
import { after, afterEach, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder, TimeWindows, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { countedIn, keys, newCount, recounted, sendKeys } from '../support/counting-program.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const text = Serdes.string()
const hourMs = 3_600_000

describeWithKafka('Hosts whose clocks are hours apart', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  const running: KafkaApplication[] = []
  afterEach(() => Promise.all(running.splice(0).map((one) => one.close().catch(() => {}))))
  after(() => directories.remove())

  it('count by the times of the records, share the work, and take over state from each other', async () => {
    const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    const { applicationId, input } = await newCount(log)
    const started = async (skewMs: number) => {
      const one = await KafkaApplication.make({
        cluster: cluster(),
        applicationId,
        topology: hourlyCountOf(input),
        stateDir: directories.make(),
        processing: 'exactly_once',
        application: { clock: skewed(skewMs) },
        kafka: { clock: skewed(skewMs) },
      })
      running.push(one)
      await one.application.start()
      return one
    }
    const ahead = await started(2 * hourMs)
    await started(-2 * hourMs)
    const sameHour = Math.floor(systemClock.now() / hourMs) * hourMs
    await sendKeys(log, input, keys(1000), sameHour)
    await untilCounted(log, input, 1000)
    await ahead.close()
    await sendKeys(log, input, keys(500), sameHour + 1)
    await untilCounted(log, input, 1500)
    assert.deepEqual(await countedIn(log, `${input}-counted`), await recounted(log, input))
    for (const { failures } of running) assert.deepEqual(failures, [])
    await log.close()
  })
})

function hourlyCountOf(input: string): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(input, Consumed.with(text, text))
    .groupByKey(Grouped.with(text, text, { name: 'by-key' }))
    .windowedBy(TimeWindows.ofSizeAndGrace(hourMs, 0))
    .count(Materialized.as('counts'))
    .toStream()
    .map(({ key }, count) => [key, count])
    .to(`${input}-counted`, Produced.with(text, Serdes.long()))
  return builder.build()
}

function skewed(byMs: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + byMs }
}

/** Reads until all records are counted. Each read takes some time, so no other wait is needed. */
async function untilCounted(log: Log, input: string, records: number): Promise<void> {
  const counted = async () => [...(await countedIn(log, `${input}-counted`)).values()].reduce((all, count) => all + count, 0)
  while ((await counted()) !== records);
}
