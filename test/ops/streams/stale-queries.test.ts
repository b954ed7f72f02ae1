import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  Grouped,
  KeyQuery,
  Materialized,
  type Query,
  RangeQuery,
  Stores,
  StreamsBuilder,
  TimestampedKeyQuery,
  TimeWindows,
  WindowKeyQuery,
} from 'waggle-streams'
import { StoreQueries } from '../../../ops/streams/store-queries.ts'
import { Application } from '../../../processor/application/application.ts'
import type { Log } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { decorated } from '../../../topology/decorated.ts'
import { send, withTopics } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, tableToOut, text } from '../../support/text-program.ts'

function program() {
  const builder = new StreamsBuilder()
  const grouped = builder.stream('in', read).groupByKey(Grouped.with(text, text))
  tableToOut(grouped.count(Materialized.as('counts')))
  grouped.windowedBy(TimeWindows.ofSizeAndGrace(10, 1000)).count(Materialized.as('windows'))
  grouped.reduce((_, value) => value, Materialized.as(Stores.inMemoryKeyValueStore('last')))
  return decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
}

/** A process of the application that other processes can query. */
class Process {
  readonly queries: StoreQueries
  readonly #application: { started: Application | null }

  private constructor(queries: StoreQueries, application: { started: Application | null }) {
    this.queries = queries
    this.#application = application
  }

  static async start(world: SimulatedWorld, log: Log, name: string): Promise<Process> {
    const topology = program()
    const holder: { started: Application | null } = { started: null }
    const queries = new StoreQueries({ applicationId: 'app', secret: null, topology, application: () => holder.started })
    const host = await queries.serve('127.0.0.1:0')
    const application = new Application({
      applicationId: 'app',
      topology,
      log,
      states: new SimulatedStateDirectory(new SimulatedStateFiles(name)),
      clock: world.clock,
      topics: [],
      commitIntervalMs: 10,
      spread: { host, settings: { standbyReplicas: 1, acceptableRecoveryLag: 100 } },
    })
    holder.started = application
    void application.start()
    await world.clock.until(() => application.state === 'RUNNING')
    return new Process(queries, holder)
  }

  get application(): Application {
    if (this.#application.started === null) throw new Error('It has not started')
    return this.#application.started
  }

  ask(store: string, query: Query<unknown>, allowsStale: boolean): Promise<ReadonlyMap<number, unknown>> {
    return this.queries.query({ store, request: query.request, partitions: null, allowsStale })
  }

  async close(world: SimulatedWorld): Promise<void> {
    await this.queries.close()
    let isClosed = false
    void this.application.close({ timeoutMs: 60_000 }).then(() => {
      isClosed = true
    })
    await world.clock.until(() => isClosed)
  }
}

it('A standby answers queries that allow stale answers, from its own process and from other processes, and reports its lag', async () => {
  const world = new SimulatedWorld({ keepsState: false })
  const log = await withTopics(world, ['in', 'out'])
  const [active, standby] = [await Process.start(world, log, 'active'), await Process.start(world, log, 'standby')]
  const running = [active, standby].find(({ application }) => application.threads.tasks.length === 1)
  const copying = running === active ? standby : active
  assert.ok(running)
  await send(world, log, 'in', 3)
  await world.clock.until(() => copying.application.standbys.length === 1)
  await world.clock.advance(2000)
  const third = await Process.start(world, log, 'third')
  await world.clock.advance(5000)
  assert.equal(third.application.threads.tasks.length + third.application.standbys.length, 0)

  const count = KeyQuery.withKey<string, number>('k')
  for (const { queries } of [copying, third]) {
    const answers = await queries.query({ store: 'counts', request: count.request, partitions: null, allowsStale: false })
    assert.deepEqual([...answers], [[0, 3]])
  }
  const lags = await copying.application.stores.lags()
  assert.deepEqual([...lags.keys()].sort(), ['counts', 'last', 'windows'])
  const lag = lags.get('counts')?.get(0)
  assert.equal(lag?.offsetLag, 0)
  assert.equal(lag?.currentOffsetPosition, lag?.endOffsetPosition)
  assert.ok((lag?.endOffsetPosition ?? 0n) > 0n)

  // The process of the task no longer answers queries.
  await running.queries.close()
  for (const one of [copying, third]) await assert.rejects(one.ask('counts', count, false), { code: 'WAGGLE_STORE_MIGRATED' })
  for (const one of [copying, third]) {
    assert.deepEqual([...(await one.ask('counts', count, true))], [[0, 3]])
    assert.deepEqual([...(await one.ask('counts', TimestampedKeyQuery.withKey('k'), true))], [[0, { value: 3, timestamp: 1 }]])
    assert.deepEqual([...(await one.ask('windows', WindowKeyQuery.withKeyAndWindowStartRange('k', 0, 10), true))], [[0, [[0, 3]]]])
    const rows = (await one.ask('last', RangeQuery.withRange(null, null), true)).get(0) as AsyncIterable<unknown>
    assert.deepEqual(await Array.fromAsync(rows), [['k', 'v']])
  }
  await assert.rejects(third.ask('nothing', count, true), { code: 'WAGGLE_STORE_UNKNOWN' })
  for (const one of [third, copying, running]) await one.close(world)
})
