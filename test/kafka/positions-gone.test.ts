import assert from 'node:assert/strict'
import { after, afterEach, before, it } from 'node:test'
import { Consumed, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log } from '../../processor/ports.ts'
import type { OffsetReset } from '../../topology/consumed.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { deleteRecords, deleteTopic, newName, outputsIn, quickOptions, sendRow } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const text = Serdes.string()
const directories = new TemporaryDirectories('kafka-state')

describeWithKafka('A position whose records are past their retention', {}, (cluster) => {
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

  /** An application processes the first of four records and stops. Then the first three records are deleted, and the application starts again. */
  async function startsAgain(offsetReset: OffsetReset, more: Partial<Parameters<typeof KafkaApplication.make>[0]['application']> = {}) {
    const [input, output, applicationId] = [newName('in'), newName('out'), newName('app')]
    await log.createTopics([input, output].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
    const started = async () => {
      const builder = new StreamsBuilder()
      builder.stream(input, Consumed.with(text, text, { offsetReset })).to(output, Produced.with(text, text))
      const topology = builder.build()
      const one = await KafkaApplication.make({ cluster: cluster(), applicationId, topology, stateDir: directories.make(), application: more })
      running.push(one)
      return one
    }
    // Position 0 is committed, because an application without a position is another case.
    const tasks = await log.taskProducer({ group: applicationId })
    await tasks.commit({ positions: [{ topic: input, partition: 0, offset: 0, metadata: '' }], state: [] })
    await tasks.close()
    const first = await started()
    await first.application.start()
    await sendRow(log, [input, 'a', 'done'])
    await until(async () => (await outputsIn(log, output)).length === 1)
    await first.close()
    for (const value of ['gone', 'gone', 'kept']) await sendRow(log, [input, 'a', value])
    await deleteRecords(cluster(), { topic: input, partition: 0, before: 3 })
    const second = await started()
    const values = async () => (await outputsIn(log, output)).map((line) => line.replace(/^a:|@0$/g, ''))
    return { input, second, values }
  }

  it('continues at the first kept record with offsetReset earliest', { timeout: 60_000 }, async () => {
    const { input, second, values } = await startsAgain('earliest')
    await second.application.start()
    await until(async () => (await values()).length === 2)
    assert.deepEqual(await values(), ['done', 'kept'])
    assert.deepEqual(told(second), [`WAGGLE_RECORDS_LOST Offsets 1 to 2 of ${input}, partition 0, are skipped`])
    assert.deepEqual(lost(second), [2])
  })

  it('continues at the end with offsetReset latest', { timeout: 60_000 }, async () => {
    const { input, second, values } = await startsAgain('latest')
    await second.application.start()
    // Records that come before the reader has found its place are skipped, too.
    await until(async () => {
      await sendRow(log, [input, 'a', 'new'])
      return (await values()).includes('new')
    })
    assert.deepEqual([...new Set(await values())], ['done', 'new'])
    const [line = '', ...more] = told(second)
    assert.match(line, new RegExp(`^WAGGLE_RECORDS_LOST Offsets 1 to \\d+ of ${input}, partition 0, are skipped$`))
    assert.deepEqual(more, [])
    assert.ok((lost(second)[0] ?? 0) >= 3)
  })

  it('is reported once, with the topic’s name, if its topic is created again while a reader runs', { timeout: 60_000 }, async () => {
    const { input, second, values } = await startsAgain('earliest')
    await second.application.start()
    await until(async () => (await values()).length === 2)
    await deleteTopic(cluster(), input)
    await until(async () => (await log.topic(input)) === null)
    await log.createTopics([{ name: input, partitions: 1, cleanup: 'delete', retentionMs: null }])
    // After a short time the new topic has more records than the reader had read of the old topic.
    const sent = Array.from({ length: 10 }, (_, at) => `again ${at}`)
    for (const value of sent) await sendRow(log, [input, 'a', value])
    await until(async () => (await values()).length === 12)
    assert.deepEqual(await values(), ['done', 'kept', ...sent])
    assert.ok(
      told(second).some((line) => line === `WAGGLE_RECORDS_LOST Offset 4 of ${input}, partition 0, is past its end`),
      told(second).join('\n'),
    )
  })

  it('gives an error with topic, partition, offset and next step with offsetReset none', {
    timeout: 60_000,
  }, async () => {
    const { input, second, values } = await startsAgain('none', { decide: () => 'stop' })
    await second.application.start()
    await until(async () => second.application.state === 'ERROR')
    const [failure] = second.failures
    assert.equal(failure?.code, 'WAGGLE_POSITION_GONE')
    assert.match(failure?.message ?? '', new RegExp(`^Offset 1 of ${input}, partition 0, is not there: it has 3 to 4`))
    assert.match(failure?.next ?? '', /offsetReset/)
    assert.deepEqual(await values(), ['done'])
  })
})

/** The code and the first half of each failure's message. */
function told({ failures }: KafkaApplication): readonly string[] {
  return failures.map(({ code, message }) => `${code} ${message.replace(/: .*/, '')}`)
}

function lost({ application }: KafkaApplication): readonly number[] {
  return application.metrics(Date.now()).flatMap(({ name, value }) => (name === 'lost-records-total' ? [value] : []))
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}
