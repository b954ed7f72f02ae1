import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EmitStrategy, Grouped, Materialized, Serdes, StreamsBuilder, TimeWindows, type Topology, type WaggleError } from 'waggle-streams'
import { Application } from '../../processor/application/application.ts'
import type { ApplicationOptions } from '../../processor/application/options.ts'
import type { LogTraits, TopicSpec } from '../../processor/ports.ts'
import { commitSteps } from '../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../processor/simulation/simulated-state-directory.ts'
import { changelogTopics } from '../../processor/state/changelog-topics.ts'
import { decorated } from '../../topology/decorated.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'
import { read, tableToOut, text, toOut } from '../support/text-program.ts'

const exactlyOnce: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const atLeastOnce: LogTraits = { ...exactlyOnce, atomicCommit: false }

const keys = ['a', 'b', 'a', 'c', 'b', 'a', 'd', 'a', 'c', 'b', 'e', 'a']

function count(): Topology {
  const builder = new StreamsBuilder()
  tableToOut(
    builder
      .stream('in', read)
      .groupByKey(Grouped.with(text, text, { name: 'g' }))
      .count(Materialized.as('counts')),
  )
  return decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
}

/** A machine and a cluster. Both survive the processes. */
class Life {
  readonly world: SimulatedWorld
  files = new SimulatedStateFiles('p')

  constructor(traits: LogTraits, seed = 1) {
    this.world = new SimulatedWorld({ seed, traits, keepsState: false })
  }

  async send(log: SimulatedLog, values: readonly string[]): Promise<void> {
    await log.createTopics(['in', 'out'].map((name) => topic(name)))
    const producer = await log.producer()
    const sent = values.map((key) =>
      producer.send({ topic: 'in', partition: key.charCodeAt(0) % 2, key: Buffer.from(key), value: Buffer.from('x'), timestamp: 1, headers: [] }),
    )
    let isSent = false
    void Promise.all(sent).then(() => {
      isSent = true
    })
    await this.world.clock.until(() => isSent || log.hasCrashed)
  }

  /** Processes `values` in small groups, with one commit for each group, until all are processed or the log crashes. */
  async work(log: SimulatedLog, values: readonly string[]): Promise<void> {
    await this.start(log)
    for (let at = 0; at < values.length && !log.hasCrashed; at += 3) {
      await this.send(log, values.slice(at, at + 3))
      await this.world.clock.until(() => log.hasCrashed || sum(this.outcome()) === sum(this.recount()))
    }
  }

  /** Counts the topic's keys in a plain loop. */
  recount(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { records } of this.world.disk.topics.get('in')?.partitions ?? [])
      for (const { key } of records) counts.set(String(key), (counts.get(String(key)) ?? 0) + 1)
    return counts
  }

  /** Starts an application, which may crash during the start. */
  async start(log: SimulatedLog, more: Partial<ApplicationOptions> = {}): Promise<Application> {
    const states = new SimulatedStateDirectory(this.files)
    const application = new Application({
      applicationId: 'app',
      topology: count(),
      log,
      states,
      clock: this.world.clock,
      topics: [],
      commitIntervalMs: 10,
      ...more,
    })
    void application.start().catch(() => {})
    await this.world.clock.until(() => application.state === 'RUNNING' || log.hasCrashed)
    return application
  }

  async finish(application: Application, processed: number): Promise<void> {
    await this.world.clock.until(() => sum(this.outcome()) >= processed)
    let isClosed = false
    void application.close({ timeoutMs: 60_000 }).then(() => {
      isClosed = true
    })
    await this.world.clock.until(() => isClosed)
  }

  get recordsOut(): number {
    return (this.world.disk.topics.get('out')?.partitions ?? []).reduce((all, { records }) => all + records.length, 0)
  }

  /** The last committed count of each key. */
  outcome(): ReadonlyMap<string, number> {
    const last = new Map<string, number>()
    for (const { records } of this.world.disk.topics.get('out')?.partitions ?? [])
      for (const { key, value } of records) last.set(String(key), Number(String(value)))
    return last
  }
}

describe('State that is restored from changelogs', () => {
  for (const step of commitSteps) {
    for (const fate of ['kept', 'lost'] as const) {
      it(`is right after a crash at ${step} of each commit, with the disk ${fate}`, async () => {
        let crashes = 0
        for (let commit = 0; commit < 4; commit++) {
          const life = new Life(exactlyOnce, commit + 1)
          await life.send(life.world.boot(), keys)
          const log = life.world.boot({ commit, step })
          await life.work(log, keys)
          if (log.hasCrashed) crashes++
          if (fate === 'lost') life.files = new SimulatedStateFiles('p')
          const again = life.world.boot()
          await life.send(again, ['a', 'b'])
          await life.finish(await life.start(again), sum(life.recount()))
          assert.deepEqual(sorted(life.outcome()), sorted(life.recount()))
        }
        assert.ok(crashes >= 3, `only ${crashes} crashes`)
      })
    }
  }

  it('is complete if commits write records first and positions after them', async () => {
    for (const step of commitSteps) {
      const life = new Life(atLeastOnce)
      await life.send(life.world.boot(), keys)
      const log = life.world.boot({ commit: 1, step })
      await life.work(log, keys)
      assert.ok(log.hasCrashed)
      await life.finish(await life.start(life.world.boot()), sum(life.recount()))
      for (const [key, least] of life.recount()) assert.ok((life.outcome().get(key) ?? 0) >= least, `${key} at ${step}`)
    }
  })

  it('is read from the changelog only if the disk lacks it', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    await life.finish(await life.start(log), keys.length)
    const kept = life.world.boot()
    const second = await life.start(kept)
    assert.equal(second.restoredRecords, 0)
    await life.finish(second, keys.length)
    life.files = new SimulatedStateFiles('p')
    const third = await life.start(life.world.boot())
    assert.ok(third.restoredRecords >= 5, `${third.restoredRecords}`)
    const measured = third.metrics(life.world.clock.now())
    const total = (name: string) => measured.filter((one) => one.name === name).reduce((all, { value }) => all + value, 0)
    assert.equal(total('restore-total'), third.restoredRecords)
    assert.deepEqual([total('restore-remaining-records-total'), total('active-restoring-tasks'), total('update-total')], [0, 0, 0])
  })

  it('is read completely if another changelog has replaced the changelog that the disk knows', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    await life.finish(await life.start(log), keys.length)
    for (const partition of life.world.disk.topics.get('app-counts-changelog')?.partitions ?? [])
      Object.assign(partition, { records: [], start: 0, end: 0 })
    const again = life.world.boot()
    await life.send(again, ['a'])
    const second = await life.start(again)
    await life.world.clock.until(() => second.threads.tasks.every((task) => !task.hasUncommitted) && life.outcome().get('a') === 1)
  })

  it('is read again from the start by a standby whose changelog loses records before the standby has read them', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    const settings = { standbyReplicas: 1, acceptableRecoveryLag: 100 }
    await life.start(log, { spread: { settings } })
    await life.world.clock.until(() => sum(life.outcome()) === keys.length)
    life.files = new SimulatedStateFiles('q')
    const [notices, failures]: [string[], unknown[]] = [[], []]
    const told = { onNotice: (notice: string) => void notices.push(notice), onFailure: (error: unknown) => void failures.push(error) }
    const second = await life.start(log, { spread: { settings }, ...told })
    await life.world.clock.until(() => second.standbys.length === 1)
    await life.world.clock.advance(2000)
    assert.deepEqual(notices, [])
    for (const partition of life.world.disk.topics.get('app-counts-changelog')?.partitions ?? []) {
      const end = partition.end + 5
      Object.assign(partition, { records: [], start: end, end })
    }
    for (const partition of log.partitionsOf(['app-counts-changelog'])) partition.notify()
    await life.world.clock.advance(2000)
    assert.equal(notices.length, second.standbys.length)
    assert.match(notices[0] ?? '', /The store counts is read anew from app-counts-changelog, partition \d, which begins at/)
    assert.deepEqual(failures, [])
  })

  it('is refused with its task if it needs more numbers than fit beside a position', async () => {
    const life = new Life({ ...exactlyOnce, maxNoteBytes: 50 })
    const builder = new StreamsBuilder()
    const windows = builder
      .stream('in', read)
      .groupByKey(Grouped.with(text, text, { name: 'g' }))
      .windowedBy(TimeWindows.ofSizeWithNoGrace(1000))
    windows.emitStrategy(EmitStrategy.onWindowClose()).count(Materialized.as('counts'))
    const topology = decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
    const log = life.world.boot()
    await life.send(log, [])
    const failures: WaggleError[] = []
    const application = new Application({
      applicationId: 'app',
      topology,
      log,
      states: new SimulatedStateDirectory(life.files),
      clock: life.world.clock,
      topics: [],
      onFailure: (error) => failures.push(error),
      decide: () => 'stop',
    })
    const started = assert.rejects(application.start(), { code: 'WAGGLE_POSITION_TOO_LONG', next: /repartition/ })
    await life.world.clock.until(() => application.state === 'ERROR')
    await started
    assert.equal(failures[0]?.code, 'WAGGLE_POSITION_TOO_LONG')
  })

  for (const kind of ['state', 'no state'] as const) {
    it(`does not stop a task from reading its paused inputs on after a failure, with ${kind}`, async () => {
      const life = new Life(exactlyOnce)
      const log = life.world.boot()
      await life.send(log, keys)
      const builder = new StreamsBuilder()
      let failures = 1
      const failing = builder.stream('in', read).mapValues(() => {
        if (failures-- === 1) throw new Error('once')
        return '1'
      })
      if (kind === 'state') tableToOut(failing.groupByKey(Grouped.with(text, text, { name: 'g' })).count(Materialized.as('counts')))
      else toOut(failing)
      const topology = decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
      const told: string[] = []
      const application = await life.start(log, { topology, maxBufferedRecords: 1, onFailure: ({ message }) => told.push(message) })
      await life.world.clock.until(() => life.recordsOut === keys.length)
      await life.finish(application, 0)
      assert.equal(told.length, 1)
      assert.equal(life.recordsOut, keys.length)
    })
  }

  it('is deleted on the disk when its task has run elsewhere for ten minutes', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    const first = await life.start(log)
    await life.world.clock.until(() => sum(life.outcome()) === keys.length)
    const here = new SimulatedStateDirectory(life.files)
    assert.equal(here.copies().size, 2)
    life.files = new SimulatedStateFiles('q')
    const second = await life.start(log, { spread: { settings: { acceptableRecoveryLag: 100 } } })
    await life.world.clock.until(() => first.threads.tasks.length === 1 && second.threads.tasks.length === 1)
    await life.world.clock.advance(9 * 60_000)
    assert.equal(here.copies().size, 2)
    await life.world.clock.advance(3 * 60_000)
    assert.deepEqual(
      [...here.copies().keys()],
      first.threads.tasks.map(({ id }) => id),
    )
  })

  it('is announced to a listener: each restore that starts, is suspended or ends, and a copy until its task arrives', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    const settings = { standbyReplicas: 1, acceptableRecoveryLag: 100 }
    const first = await life.start(log, { spread: { settings } })
    await life.world.clock.until(() => sum(life.outcome()) === keys.length)
    life.files = new SimulatedStateFiles('q')
    const told: (readonly [string, object])[] = []
    const tell = (name: string) => (what: object) => void told.push([name, what])
    const restore = {
      onRestoreStart: tell('start'),
      onBatchRestored: tell('batch'),
      onRestoreEnd: tell('end'),
      onRestoreSuspended: tell('suspended'),
    }
    const standby = { onUpdateStart: tell('update'), onBatchLoaded: tell('loaded'), onUpdateSuspended: tell('suspended') }
    const failing = { onRestoreStart: () => assert.fail('a listener that fails') }
    const failures: string[] = []
    const second = await life.start(log, {
      spread: { settings },
      listeners: { restore: [failing, restore], standby: [standby] },
      onFailure: ({ code }) => failures.push(code),
    })
    await life.world.clock.until(() => first.threads.tasks.length === 1 && second.threads.tasks.length === 1 && second.standbys.length === 1)
    await life.world.clock.advance(2000)
    const of = (id: string | undefined, name: string) =>
      told.flatMap(([kind, what]) => (kind === name && 'taskId' in what && what.taskId === id ? [what] : []))
    const active = second.threads.tasks[0]?.id
    const copied = second.standbys[0]
    const changelog = (id: string | undefined) => ({
      store: 'counts',
      taskId: id,
      topic: 'app-counts-changelog',
      partition: Number(id?.split('_')[1]),
    })
    // For every task that moves, a copy is read first. The restoration then finds no more records to read.
    const [{ storeOffset = 0n } = {}] = of(active, 'suspended') as { storeOffset?: bigint }[]
    assert.ok(storeOffset > 0n)
    assert.deepEqual(of(active, 'suspended'), [{ ...changelog(active), storeOffset, currentEndOffset: storeOffset, reason: 'PROMOTED' }])
    assert.deepEqual(of(active, 'start'), [{ ...changelog(active), startingOffset: storeOffset, endingOffset: storeOffset }])
    assert.deepEqual(of(active, 'end'), [{ ...changelog(active), totalRestored: 0 }])
    assert.deepEqual(of(copied, 'update'), [{ ...changelog(copied), startingOffset: 0n }])
    assert.equal(of(copied, 'suspended').length, 0)
    const loaded = of(copied, 'loaded') as unknown as { batchSize: number; batchEndOffset: bigint; currentEndOffset: bigint }[]
    assert.ok(loaded.length > 0)
    assert.ok(loaded.every(({ batchEndOffset, currentEndOffset }) => batchEndOffset <= currentEndOffset))
    assert.deepEqual([...new Set(failures)], ['WAGGLE_HANDLER_FAILED'])
  })

  it('is kept by a standby for a source table too, up to the task’s position in the topic', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    const table = () => {
      const builder = new StreamsBuilder()
      tableToOut(builder.table('in', read, Materialized.as('names')).mapValues((value) => value))
      return decorated(builder.build({ optimization: 'all' }), 'app', { key: null, value: null, timestampExtractor: null })
    }
    await life.send(log, keys)
    const settings = { standbyReplicas: 1, acceptableRecoveryLag: 0 }
    const first = await life.start(log, { topology: table(), spread: { settings } })
    await life.world.clock.until(() => life.recordsOut === keys.length)
    life.files = new SimulatedStateFiles('q')
    const second = await life.start(log, { topology: table(), spread: { settings } })
    await life.world.clock.until(() => first.threads.tasks.length === 1 && second.threads.tasks.length === 1 && second.standbys.length === 1)
    await life.send(log, ['a', 'b', 'c'])
    await life.world.clock.until(() => life.recordsOut === keys.length + 3)
    await life.world.clock.advance(3000)
    const here = new SimulatedStateDirectory(life.files).copies()
    const copied = here.get(second.standbys[0] ?? '') ?? []
    const partition = Number(second.standbys[0]?.split('_')[1])
    assert.deepEqual(
      copied.map(({ topic: of, offset }) => [of, offset]),
      [['in', life.world.disk.topics.get('in')?.partitions[partition]?.end]],
    )
    const before = second.restoredRecords
    let isClosed = false
    void first.close({ timeoutMs: 60_000 }).then(() => {
      isClosed = true
    })
    await life.world.clock.until(() => isClosed && second.threads.tasks.length === 2)
    assert.equal(second.restoredRecords, before)
  })

  it('moves between threads, and another process keeps a standby', async () => {
    const life = new Life(exactlyOnce)
    const log = life.world.boot()
    await life.send(log, keys)
    const settings = { standbyReplicas: 1, acceptableRecoveryLag: 100 }
    const first = await life.start(log, { threads: 2, spread: { settings } })
    await life.world.clock.until(() => sum(life.outcome()) === keys.length)
    life.files = new SimulatedStateFiles('q')
    const second = await life.start(log, { spread: { settings } })
    await life.world.clock.until(() => first.threads.tasks.length === 1 && second.threads.tasks.length === 1)
    await life.world.clock.until(() => first.standbys.length === 1 && second.standbys.length === 1)
    const before = second.restoredRecords
    let isClosed = false
    void first.close({ timeoutMs: 60_000 }).then(() => {
      isClosed = true
    })
    await life.world.clock.until(() => isClosed && second.threads.tasks.length === 2)
    assert.equal(second.restoredRecords, before)
    await life.send(log, ['a', 'b'])
    await life.finish(second, keys.length + 2)
    assert.deepEqual(sorted(life.outcome()), recount([...keys, 'a', 'b']))
  })
})

describe('Changelog topics', () => {
  const specs = (write: (builder: StreamsBuilder) => void) => {
    const builder = new StreamsBuilder()
    write(builder)
    return changelogTopics('app', decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null }).subtopologies(), () => 3)
  }

  it('are compacted, with one partition for each task and the settings of their store', () => {
    const counts = Materialized.with(text, Serdes.long(), { logging: { 'segment.ms': '1000', 'cleanup.policy': 'compact,delete' } })
    assert.deepEqual(
      specs((builder) =>
        builder
          .stream('in', read)
          .groupByKey(Grouped.with(text, text, { name: 'g' }))
          .count(counts),
      ).map(({ partitions, cleanup, settings, asked }) => ({
        partitions,
        cleanup,
        settings,
        asked,
      })),
      [
        {
          partitions: 3,
          cleanup: 'compact,delete',
          settings: { 'message.timestamp.type': 'CreateTime' },
          asked: { 'segment.ms': '1000', 'cleanup.policy': 'compact,delete' },
        },
      ],
    )
  })

  it('are not created for stores without logging, nor for a table whose source topic replaces the changelog', () => {
    const topics = specs((builder) => {
      builder
        .stream('in', read)
        .groupByKey(Grouped.with(text, text, { name: 'g' }))
        .count(Materialized.as('unlogged', { logging: false }))
      builder.globalTable('all', read, Materialized.as('everywhere'))
    })
    assert.deepEqual(topics, [])
  })
})

function topic(name: string): TopicSpec {
  return { name, partitions: 2, cleanup: 'delete', retentionMs: null }
}

function recount(of: readonly string[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>()
  for (const key of of) counts.set(key, (counts.get(key) ?? 0) + 1)
  return sorted(counts)
}

function sorted(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((all, one) => all + one, 0)
}
