import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, afterEach, before, it } from 'node:test'
import { Consumed, KeyQuery, Materialized, Serdes, StreamsBuilder } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log } from '../../processor/ports.ts'
import { CountingChild, type CountingOptions } from '../support/counting-child.ts'
import { countedIn, countOf, keys, newCount, recounted, sendKeys } from '../support/counting-program.ts'
import { KafkaApplication, type KafkaApplicationOptions } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { deleteRecords, deleteTopic, dismissMembers, quickOptions } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const directories = new TemporaryDirectories('kafka-state')

describeWithKafka('State on Kafka', {}, (cluster) => {
  let log: Log
  const running: KafkaApplication[] = []
  const children: CountingChild[] = []
  const child = (options: CountingOptions) => {
    const made = new CountingChild(options)
    children.push(made)
    return made
  }
  const started = async (options: KafkaApplicationOptions) => {
    const one = await KafkaApplication.make(options)
    running.push(one)
    await one.application.start()
    return one
  }

  before(async () => {
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
  })
  afterEach(() => Promise.all(children.splice(0).map((one) => one.kill())))
  afterEach(() => Promise.all(running.splice(0).map((one) => one.close().catch(() => {}))))
  after(async () => {
    await log.close()
    directories.remove()
  })

  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`state is available after a restart without a read of its changelog, ${processing}`, async () => {
      const { applicationId, input } = await newCount(log)
      const stateDir = directories.make()
      const options = { cluster: cluster(), applicationId, topology: countOf(input), stateDir, processing }
      await sendKeys(log, input, keys(1000))
      const first = await started(options)
      await until(() => sum(counts(first)) === 1000)
      await first.close()
      assert.deepEqual(first.failures, [])

      const second = await started(options)
      assert.equal(sum(counts(second)), 1000)
      assert.equal(second.application.restoredRecords, 0)
      await sendKeys(log, input, keys(100))
      await until(() => sum(counts(second)) === 1100)
      await second.close()
      assert.deepEqual(second.failures, [])
    })

    it(`state is restored from its changelog if the directory is missing, ${processing}`, async () => {
      const { applicationId, input } = await newCount(log)
      const stateDir = directories.make()
      const options = { cluster: cluster(), applicationId, topology: countOf(input), stateDir, processing }
      await sendKeys(log, input, keys(1000))
      const first = await started(options)
      await until(() => sum(counts(first)) === 1000)
      await first.close()
      rmSync(stateDir, { recursive: true })

      const second = await started(options)
      assert.equal(sum(counts(second)), 1000)
      assert.ok(second.application.restoredRecords >= 50, `${second.application.restoredRecords} records`)
      await sendKeys(log, input, keys(100))
      await until(() => sum(counts(second)) === 1100)
      await second.close()
    })
  }

  /**
   * Counts with the state in `stateDir`, and calls `meddle` to change the changelog. Returns the rows that an application finds when it starts again.
   */
  async function comesBack(meddle: (changelog: string) => Promise<void>, logging = {}) {
    const { applicationId, input } = await newCount(log)
    const notices: string[] = []
    const options = {
      cluster: cluster(),
      applicationId,
      topology: countOf(input, { logging }),
      stateDir: directories.make(),
      application: { onNotice: (notice: string) => void notices.push(notice) },
    }
    await sendKeys(log, input, keys(1000))
    const first = await started(options)
    await until(() => sum(counts(first)) === 1000)
    await first.close()
    assert.deepEqual(notices, [])
    const changelog = `${applicationId}-counts-changelog`
    await meddle(changelog)
    const second = await started(options)
    assert.deepEqual(second.failures, [])
    return { second, input, changelog, notices }
  }

  /** Writes as many records of this key and count as all keys together had before. */
  async function countsElsewhere(topic: string, count: number): Promise<void> {
    const producer = await log.producer()
    const value = Buffer.alloc(8)
    value.writeBigInt64BE(BigInt(count))
    await Promise.all(
      Array.from({ length: 4000 }, (_, at) =>
        producer.send({ topic, partition: at % 4, key: Buffer.from(`key-${at % 4}`), value, timestamp: 1, headers: [] }),
      ),
    )
    await producer.close()
  }

  it('state on the disk is dropped, with a notice, if a new and shorter changelog has replaced the old changelog', { timeout: 60_000 }, async () => {
    const { second, notices, changelog } = await comesBack((topic) => deleteTopic(cluster(), topic))
    assert.equal(sum(counts(second)), 0)
    assert.equal(notices.length, 4)
    for (const notice of notices)
      assert.match(notice, new RegExp(`The store counts is read anew from ${changelog}, partition \\d, which was deleted and made anew`))
  })

  it('state is restored from a new changelog that has replaced the old one, even if the new changelog is longer', { timeout: 60_000 }, async () => {
    const { second, notices } = await comesBack(async (topic) => {
      await deleteTopic(cluster(), topic)
      await log.createTopics([{ name: topic, partitions: 4, cleanup: 'compact', retentionMs: null }])
      await countsElsewhere(topic, 7)
    })
    assert.equal(sum(counts(second)), 28)
    assert.equal(notices.length, 4)
  })

  it('state is restored completely if the changelog has lost records that the disk still has', { timeout: 60_000 }, async () => {
    const { second, notices } = await comesBack(
      async (topic) => {
        await countsElsewhere(topic, 9)
        for (const [partition, { end }] of ((await log.topic(topic))?.offsets ?? []).entries())
          await deleteRecords(cluster(), { topic, partition, before: end - 1 })
        // The changelog has the policy `delete` too, because brokers refuse to delete records of a topic that is only compacted.
      },
      { 'cleanup.policy': 'compact,delete' },
    )
    assert.equal(sum(counts(second)), 36)
    assert.equal(notices.length, 4)
    assert.match(notices[0] ?? '', /which begins at \d+, where the disk has it up to \d+/)
  })

  it('state survives a killed process under exactly once, and only the missing records are restored', async () => {
    const { applicationId, input } = await newCount(log)
    const options = { brokers: cluster().brokers, applicationId, input, stateDir: directories.make(), processing: 'exactly_once' } as const
    await sendKeys(log, input, keys(1000))
    const first = child(options)
    await untilCounted(input)
    const sending = sendKeys(log, input, keys(20_000))
    await untilCountedSome(input)
    await first.kill()
    await sending

    const second = child(options)
    await untilCounted(input)
    const { restoredRecords, failures } = second.said
    // At most one commit is read again: fifty keys.
    assert.ok(restoredRecords <= 50, `${restoredRecords} records were read again`)
    assert.deepEqual(failures, [])
    await second.stop()
  })

  for (const processing of ['exactly_once', 'at_least_once'] as const) {
    it(`state moves to another process when one is killed, ${processing}`, async () => {
      const { applicationId, input } = await newCount(log)
      const options = { brokers: cluster().brokers, applicationId, input, processing }
      const three = Array.from({ length: 3 }, () => child({ ...options, stateDir: directories.make() }))
      await Promise.all(three.map((one) => one.until(({ tasks }) => tasks.length > 0)))
      await until(() => three.flatMap(({ said }) => said.tasks).length === 4)
      await sendKeys(log, input, keys(2000))
      const sending = sendKeys(log, input, keys(5000))
      await three[0]?.kill()
      await sending
      if (processing === 'exactly_once') await untilCounted(input)
      else await untilCountedAtLeast(input)
      assert.deepEqual(
        three
          .slice(1)
          .flatMap(({ said }) => said.tasks)
          .sort(),
        ['0_0', '0_1', '0_2', '0_3'],
      )
      await Promise.all(three.slice(1).map((one) => one.stop()))
    })
  }

  it('members that were thrown out in the middle of their work count each record once', async () => {
    const { applicationId, input } = await newCount(log)
    const options = { cluster: cluster(), applicationId, topology: countOf(input), processing: 'exactly_once' } as const
    const two = [await started({ ...options, stateDir: directories.make() }), await started({ ...options, stateDir: directories.make() })]
    for (let round = 0; round < 4; round++) {
      // During a rebalance a broker does not answer a request to remove a member.
      await until(() => two.every(({ application }) => application.threads.tasks.length === 2))
      const sending = sendKeys(log, input, keys(3000))
      await until(() => two.some(({ application }) => application.threads.tasks.some(({ hasUncommitted }) => hasUncommitted)))
      await dismissMembers(cluster(), applicationId)
      await sending
    }
    await untilCounted(input)
    const refused = two.flatMap(({ failures }) => failures.map(({ code }) => code)).filter((code) => code !== 'WAGGLE_FENCED')
    assert.deepEqual(refused, [])
  })

  it('state moves to a joining process when that process has a copy of the state, and not before', async () => {
    const { applicationId, input } = await newCount(log)
    const options = { brokers: cluster().brokers, applicationId, input, processing: 'exactly_once' } as const
    const first = child({ ...options, stateDir: directories.make() })
    await first.until(({ tasks }) => tasks.length === 4)
    for (let round = 0; round < 30; round++) {
      await sendKeys(log, input, keys(50))
      await untilCounted(input)
    }
    const second = child({ ...options, stateDir: directories.make() })
    const { restoredRecords } = await second.until(({ tasks }) => tasks.length > 0)
    assert.ok(restoredRecords > 100, `${restoredRecords} records were read before`)
    await Promise.all([first, second].map((one) => one.until(({ tasks }) => tasks.length === 2)))
    await sendKeys(log, input, keys(100))
    await untilCounted(input)
    await Promise.all([first, second].map((one) => one.stop()))
  })

  it('state of a source table is kept by a standby, which takes it over without reading the topic again', { timeout: 60_000 }, async () => {
    const { applicationId, input } = await newCount(log)
    const topology = () => {
      const builder = new StreamsBuilder()
      builder.table(input, Consumed.with(Serdes.string(), Serdes.string()), Materialized.as('names')).toStream()
      return builder.build({ optimization: 'all' })
    }
    const spread = { settings: { standbyReplicas: 1 } }
    const two: KafkaApplication[] = []
    for (let at = 0; at < 2; at++)
      two.push(await started({ cluster: cluster(), applicationId, topology: topology(), stateDir: directories.make(), application: { spread } }))
    const [first, second] = two
    assert.ok(first && second)
    await until(() => two.every(({ application }) => application.threads.tasks.length === 2 && application.standbys.length === 2))
    await sendKeys(log, input, keys(1000))
    const ends = (await log.topic(input))?.offsets.map(({ end }) => end) ?? []
    const copied = (id: string) =>
      second.states
        .copies()
        .get(id)
        ?.find(({ topic }) => topic === input)?.offset
    await until(() => second.application.standbys.every((id) => copied(id) === ends[Number(id.split('_')[1])]))
    const before = second.application.restoredRecords
    await first.close()
    await until(() => second.application.threads.tasks.length === 4)
    assert.equal(second.application.restoredRecords, before)
    assert.deepEqual([...first.failures, ...second.failures], [])
  })

  it('state is taken over by a standby, which reads only the missing records', async () => {
    const { applicationId, input } = await newCount(log)
    const options = { brokers: cluster().brokers, applicationId, input, processing: 'exactly_once', standbyReplicas: 1 } as const
    const two = Array.from({ length: 2 }, () => child({ ...options, stateDir: directories.make() }))
    await Promise.all(two.map((one) => one.until(({ tasks, standbys }) => tasks.length === 2 && standbys.length === 2)))
    const [first, second] = two
    // A commit holds each key once, however often the key was counted. So only several commits together have more than 50 records.
    for (let before = 0; before <= 50; before = second?.said.restoredRecords ?? 0) {
      await sendKeys(log, input, keys(500))
      await second?.until(({ restoredRecords }) => restoredRecords > before)
    }
    await untilCounted(input)
    const before = second?.said.restoredRecords ?? 0
    await first?.kill()
    await second?.until(({ tasks, state }) => tasks.length === 4 && state === 'RUNNING')
    const rest = (second?.said.restoredRecords ?? 0) - before
    assert.ok(rest <= 50, `${rest} records were read at the end`)
    await sendKeys(log, input, keys(100))
    await untilCounted(input)
    await second?.stop()
  })

  async function untilCounted(input: string): Promise<void> {
    const wanted = await recounted(log, input)
    await untilTrue(async () => equal(await countedIn(log, `${input}-counted`), wanted))
  }

  async function untilCountedAtLeast(input: string): Promise<void> {
    const wanted = await recounted(log, input)
    await untilTrue(async () => {
      const counted = await countedIn(log, `${input}-counted`)
      return [...wanted].every(([key, count]) => (counted.get(key) ?? 0) >= count)
    })
  }

  async function untilCountedSome(input: string): Promise<void> {
    await untilTrue(async () => sum(await countedIn(log, `${input}-counted`)) > 1500)
  }
})

/** The counts of a process, for its own partitions. */
function counts({ application }: KafkaApplication): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (let at = 0; at < 50; at++) {
    const key = `key-${at}`
    for (const [, count] of application.stores.queryHere({
      store: 'counts',
      request: KeyQuery.withKey(key).request,
      partitions: null,
      allowsStale: false,
    })) {
      if (typeof count === 'number') found.set(key, count)
    }
  }
  return found
}

function sum(counted: ReadonlyMap<string, number>): number {
  return [...counted.values()].reduce((all, one) => all + one, 0)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function untilTrue(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}

function equal(some: ReadonlyMap<string, number>, others: ReadonlyMap<string, number>): boolean {
  return some.size === others.size && [...some].every(([key, count]) => others.get(key) === count)
}
