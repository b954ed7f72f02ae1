import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, afterEach, beforeEach, it } from 'node:test'
import {
  BufferConfig,
  Grouped,
  Joined,
  JoinWindows,
  Materialized,
  Named,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  StreamsBuilder,
  Suppressed,
  TimeWindows,
} from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log } from '../../processor/ports.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest, newName, outputsIn, sendRow } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'
import { type Row, read, TextProgram, tableToOut, text, toOut } from '../support/text-program.ts'

type Write = (builder: StreamsBuilder) => void

const grouped = Grouped.with(text, text, { name: 'g' })
const both = (a: string | null, b: string | null) => `${a}+${b}`

/**
 * The records that are sent before the state is lost, and after that. They are sent to one topic after the other, so that there is only one order.
 */
interface Program {
  readonly write: Write
  readonly optimization?: 'all'
  readonly before: readonly Row[]
  readonly after: readonly Row[]
}

const second = 1000
const minute = 60 * second

const programs: { readonly [name: string]: Program } = {
  'a count': {
    write: (builder) => tableToOut(builder.stream('in', read).groupByKey(grouped).count(Materialized.as('counts'))),
    before: [
      ['in', 'a', 'x', 1],
      ['in', 'b', 'x', 2],
      ['in', 'a', 'x', 3],
    ],
    after: [
      ['in', 'a', 'x', 4],
      ['in', 'b', 'x', 1],
    ],
  },
  'a tumbling count, with windows that run out': {
    write: (builder) =>
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey(grouped)
          .windowedBy(TimeWindows.ofSizeAndGrace(10 * second, 30 * second))
          .count(Materialized.as('windows')),
      ),
    before: [
      ['in', 'a', 'x', 5 * second],
      ['in', 'a', 'x', 45 * second],
      ['in', 'b', 'x', 3 * minute],
      ['in', 'a', 'x', 3 * minute - 20 * second],
    ],
    // The first record is late only if the store still knows its stream time.
    after: [
      ['in', 'a', 'late', 45 * second],
      ['in', 'a', 'x', 3 * minute - 20 * second],
      ['in', 'b', 'x', 3 * minute + 1],
      ['in', 'b', 'x', 10 * minute],
    ],
  },
  'a sliding count': {
    write: (builder) =>
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey(grouped)
          .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(10 * second, 30 * second))
          .count(Materialized.as('sliding')),
      ),
    before: [
      ['in', 'a', 'x', 5 * second],
      ['in', 'a', 'x', 12 * second],
    ],
    after: [
      ['in', 'a', 'x', 14 * second],
      ['in', 'a', 'x', 8 * second],
    ],
  },
  'a session count, with sessions that meet': {
    write: (builder) =>
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey(grouped)
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(10 * second, minute))
          .count(Materialized.as('sessions')),
      ),
    before: [
      ['in', 'a', 'x', 5 * second],
      ['in', 'a', 'x', 21 * second],
      ['in', 'b', 'x', 21 * second],
    ],
    after: [
      ['in', 'a', 'x', 13 * second],
      ['in', 'b', 'x', 40 * second],
    ],
  },
  'a final count': {
    write: (builder) =>
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey(grouped)
          .windowedBy(TimeWindows.ofSizeAndGrace(10 * second, 5 * second))
          .count(Materialized.as('windows'))
          .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded(), Named.as('final'))),
      ),
    before: [
      ['in', 'a', 'x', 1 * second],
      ['in', 'a', 'x', 2 * second],
      ['in', 'b', 'x', 11 * second],
    ],
    after: [
      ['in', 'a', 'x', 3 * second],
      ['in', 'a', 'x', 40 * second],
    ],
  },
  'a join of streams': {
    write: (builder) =>
      toOut(
        builder
          .stream('in', read)
          .leftJoin(
            builder.stream('other', read),
            both,
            JoinWindows.ofTimeDifferenceAndGrace(10 * second, second),
            StreamJoined.with(text, text, text, { name: 'j', storeName: 'js' }),
          ),
      ),
    before: [
      ['in', 'a', '1', 5 * second],
      ['in', 'a', '2', 5 * second],
      ['other', 'b', '3', 6 * second],
    ],
    after: [
      ['other', 'a', '4', 7 * second],
      ['in', 'b', '5', 8 * second],
      ['in', 'c', '6', 9 * second],
      ['in', 'd', '7', 60 * second],
    ],
  },
  'a table that a stream joins': {
    write: (builder) => {
      const table = builder.table('other', read, Materialized.as('table'))
      toOut(builder.stream('in', read).join(table, both))
    },
    before: [
      ['other', 'a', '1', 1],
      ['other', 'b', '2', 2],
      ['other', 'b', null, 3],
    ],
    after: [
      ['in', 'a', 'x', 4],
      ['in', 'b', 'x', 5],
      ['other', 'a', '3', 6],
      ['in', 'a', 'x', 7],
    ],
  },
  'a table whose topic stands for its changelog': {
    write: (builder) => {
      const table = builder.table('other', read, Materialized.as('table'))
      toOut(builder.stream('in', read).join(table, both))
    },
    optimization: 'all',
    before: [
      ['other', 'a', '1', 1],
      ['other', 'b', '2', 2],
      ['other', 'c', '3', 3],
      ['other', 'b', null, 3],
    ],
    after: [
      ['in', 'a', 'x', 4],
      ['in', 'b', 'x', 5],
      ['other', 'a', '3', 6],
      ['in', 'c', 'x', 7],
    ],
  },
  'a versioned table': {
    write: (builder) => {
      const versions = Stores.persistentVersionedKeyValueStore('versions', { historyRetentionMs: minute })
      const table = builder.table('other', read, Materialized.as(versions))
      toOut(builder.stream('in', read).join(table, both, Joined.with(text, text, text, { name: 'vj' })))
    },
    before: [
      ['other', 'a', '1', 10 * second],
      ['other', 'a', '3', 30 * second],
      ['other', 'a', '2', 20 * second],
      ['other', 'b', '1', 0],
      ['other', 'b', '2', 50 * second],
    ],
    after: [
      ['in', 'a', 'x', 15 * second],
      ['in', 'a', 'x', 25 * second],
      ['in', 'a', 'x', 35 * second],
      ['in', 'b', 'x', 5 * second],
      ['other', 'a', 'between', 22 * second],
      ['in', 'a', 'x', 25 * second],
    ],
  },
  'a global table': {
    write: (builder) => {
      const table = builder.globalTable('other', read, Materialized.as('everywhere'))
      toOut(builder.stream('in', read).join(table, (_, value) => value ?? '', both))
    },
    before: [
      ['other', 'a', '1', 1],
      ['other', 'b', '2', 2],
      ['other', 'b', null, 3],
      ['in', 'k', 'a', 4],
    ],
    after: [
      ['in', 'k', 'b', 5],
      ['other', 'b', '3', 6],
      ['in', 'k', 'b', 7],
      ['in', 'k', 'a', 8],
    ],
  },
}

describeWithKafka('Each kind of store on Kafka', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  let log: Log
  let clear: () => Promise<void>
  let running: KafkaApplication | null = null

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    clear = under.close
    await log.createTopics(['in', 'other', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  })
  afterEach(async () => {
    await running?.close()
    running = null
    await clear()
  })
  after(() => directories.remove())

  for (const [name, program] of Object.entries(programs)) {
    for (const fate of ['kept', 'lost'] as const) {
      it(`${name}: keeps its content after its directory is ${fate}`, async () => {
        const stateDir = directories.make()
        const applicationId = newName('app')
        const life = async (rows: readonly Row[]) => {
          const builder = new StreamsBuilder()
          program.write(builder)
          const topology = builder.build(program.optimization === undefined ? {} : { optimization: program.optimization })
          const options = {
            cluster: cluster(),
            applicationId,
            topology,
            stateDir,
            processing: 'exactly_once',
            application: { emitIntervalMs: 0 },
          } as const
          running = await KafkaApplication.make(options)
          await running.application.start()
          for (const row of rows) await process(log, running, row)
          await running.close()
          assert.deepEqual(running.failures, [])
          running = null
        }
        await life(program.before)
        if (fate === 'lost') rmSync(stateDir, { recursive: true })
        await life(program.after)

        await using driver = new TextProgram(program.write)
        assert.deepEqual(await outputsIn(log, 'out'), await driver.after(...program.before, ...program.after))
      })
    }
  }
})

/** Settles when the record has been processed. */
async function process(log: Log, { application }: KafkaApplication, row: Row): Promise<void> {
  const offset = await sendRow(log, row)
  while (!application.threads.tasks.some((task) => task.positionOf(row[0], 0) > offset)) await new Promise((resolve) => setTimeout(resolve, 5))
}
