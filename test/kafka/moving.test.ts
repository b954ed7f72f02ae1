import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, beforeEach, it } from 'node:test'
import { Grouped, Materialized, SessionWindows, StreamsBuilder, TimeWindows } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { withKafkaStreams } from '../../ops/bench/kafka-streams/java.ts'
import type { Log } from '../../processor/ports.ts'
import { JavaStreams } from '../support/java-streams.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest, newName, outputsIn, sendRow } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'
import { type Row, read, TextProgram, tableToOut, text } from '../support/text-program.ts'

/** The same program as in `Mover.java`. */
function write(builder: StreamsBuilder): void {
  const grouped = builder.stream('in', read).groupByKey(Grouped.with(text, text, { name: 'g' }))
  tableToOut(grouped.count(Materialized.as('counts')))
  tableToOut(grouped.windowedBy(TimeWindows.ofSizeAndGrace(10_000, 30_000)).count(Materialized.as('windows')))
  tableToOut(grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(10_000, 60_000)).count(Materialized.as('sessions')))
}

/** No record in these lives is late, because each of Kafka Streams' processors forgets its stream time between two lives. */
const lives: readonly (readonly Row[])[] = [
  [
    ['in', 'a', 'x', 5000],
    ['in', 'b', 'x', 6000],
    ['in', 'a', 'x', 75_000],
    ['in', 'a', 'x', 90_000],
  ],
  [
    // This record lies between two sessions.
    ['in', 'a', 'x', 82_000],
    ['in', 'b', 'x', 82_000],
    ['in', 'a', 'x', 91_000],
  ],
  [
    ['in', 'b', 'x', 75_000],
    ['in', 'a', 'x', 92_000],
    ['in', 'c', 'x', 200_000],
  ],
]

describeWithKafka('An application that moves between Kafka Streams and Waggle', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  let log: Log
  let clear: () => Promise<void>

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    clear = under.close
    await log.createTopics(['in', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  })
  afterEach(() => clear())
  after(() => directories.remove())

  for (const first of ['there', 'here'] as const) {
    it(`keeps its counts, windows and sessions when it moves away from ${first === 'there' ? 'Kafka Streams' : 'Waggle'}`, {
      timeout: 600_000,
    }, async (test) => {
      const peer = withKafkaStreams(join(import.meta.dirname, '..', 'peers', 'kafka-streams', 'Mover.java'))
      if ('missing' in peer) {
        if (process.env.CI === 'true') throw new Error(peer.missing)
        test.skip(peer.missing)
        return
      }
      const applicationId = newName('app')
      const there = new JavaStreams({ ...peer, main: 'Mover', arguments: [cluster().brokers.join(','), applicationId, directories.make()] })
      const here = new Here(cluster, applicationId, directories.make())
      await using driver = new TextProgram(write)
      const expected: string[] = []
      for (const [at, rows] of lives.entries()) {
        expected.push(...(await driver.after(...rows)))
        const runner = (at % 2 === 0) === (first === 'there') ? there : here
        await runner.start(test.signal)
        // A process waits until it knows the progress of the other process.
        if (at > 0 && runner === here)
          assert.equal(here.streamTime, Math.max(...lives.slice(0, at).flatMap((life) => life.map(([, , , time = 0]) => time))))
        for (const row of rows) await sendRow(log, row)
        while (!test.signal.aborted && (await outputsIn(log, 'out')).length < expected.length) await new Promise((resolve) => setTimeout(resolve, 20))
        await runner.stop()
        assert.deepEqual(await outputsIn(log, 'out'), expected)
      }
    })
  }
})

class Here {
  readonly #cluster
  readonly #applicationId: string
  readonly #stateDir: string
  #running: KafkaApplication | null = null

  constructor(cluster: Parameters<Parameters<typeof describeWithKafka>[2]>[0], applicationId: string, stateDir: string) {
    this.#cluster = cluster
    this.#applicationId = applicationId
    this.#stateDir = stateDir
  }

  async start(): Promise<void> {
    const builder = new StreamsBuilder()
    write(builder)
    this.#running = await KafkaApplication.make({
      cluster: this.#cluster(),
      applicationId: this.#applicationId,
      topology: builder.build(),
      stateDir: this.#stateDir,
      processing: 'exactly_once',
      application: { emitIntervalMs: 0 },
    })
    await this.#running.application.start()
  }

  get streamTime(): number {
    return this.#running?.application.threads.tasks[0]?.streamTime ?? -1
  }

  async stop(): Promise<void> {
    await this.#running?.close()
    assert.deepEqual(this.#running?.failures, [])
  }
}
