import assert from 'node:assert/strict'
import { after, afterEach, before, it } from 'node:test'
import { Consumed, EmitStrategy, Grouped, Materialized, Produced, Serdes, StreamsBuilder, TimeWindows, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log } from '../../processor/ports.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { newName, outputsIn, quickOptions, sendRow } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const text = Serdes.string()
const counts = 100
const second = 1000

/** A hundred windowed counts of one stream, in one sub-topology. Every second count writes one result a window, when the window has closed. */
function manyCounts(input: string, output: string): Topology {
  const builder = new StreamsBuilder()
  const grouped = builder.stream(input, Consumed.with(text, text)).groupByKey(Grouped.with(text, text, { name: 'by-key' }))
  for (let at = 0; at < counts; at++) {
    grouped
      .windowedBy(TimeWindows.ofSizeWithNoGrace((at + 1) * second))
      .emitStrategy(at % 2 === 0 ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate())
      .count(Materialized.as(`counts-of-a-window-of-this-many-seconds-${at + 1}`))
      .toStream()
      .map((windowed, count) => [`${at + 1}:${windowed.key}:${windowed.window.start}`, count])
      .to(output, Produced.with(text, Serdes.long()))
  }
  return builder.build()
}

const directories = new TemporaryDirectories('kafka-state')

describeWithKafka('The note beside a position', {}, (cluster) => {
  let log: Log
  const running: KafkaApplication[] = []

  before(async () => {
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
  })
  afterEach(() => Promise.all(running.splice(0).map((one) => one.close().catch(() => {}))))
  after(async () => {
    await log.close()
    directories.remove()
  })

  it('has room for a task with a hundred windowed counts, and tells another machine about every closed window', {
    timeout: 180_000,
  }, async () => {
    const [input, output, applicationId] = [newName('in'), newName('out'), newName('app')]
    await log.createTopics([input, output].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
    const started = async () => {
      // Each process has its own directory, as on another machine.
      const one = await KafkaApplication.make({
        cluster: cluster(),
        applicationId,
        topology: manyCounts(input, output),
        stateDir: directories.make(),
        processing: 'exactly_once',
        application: { emitIntervalMs: 0 },
      })
      running.push(one)
      await one.application.start()
      return one
    }
    const start = 1_760_000_000_000
    const first = await started()
    for (const at of [0, 150 * second]) await sendRow(log, [input, 'a', 'x', start + at])
    await until(async () => updatesAt(start + 150 * second, await outputsIn(log, output)) === counts / 2)
    await first.close()
    assert.deepEqual(first.failures, [])
    const before = await outputsIn(log, output)
    assert.ok(before.length > counts, 'some windows have closed')

    const other = await started()
    // The first record is too late for every window. The second record is in time for all windows.
    for (const at of [10 * second, 150 * second]) await sendRow(log, [input, 'a', 'x', start + at])
    await until(async () => updatesAt(start + 150 * second, await outputsIn(log, output)) === counts)
    await other.close()
    assert.deepEqual(other.failures, [])
    const since = (await outputsIn(log, output)).slice(before.length)
    assert.equal(since.length, counts / 2, since.join('\n'))
    assert.ok(
      since.every((line) => line.endsWith(`@${start + 150 * second}`)),
      since.join('\n'),
    )
  })
})

function updatesAt(timestamp: number, outputs: readonly string[]): number {
  return outputs.filter((line) => line.endsWith(`@${timestamp}`)).length
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 100))
}
