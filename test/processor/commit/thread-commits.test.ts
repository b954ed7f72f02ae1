import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AssignmentListener, CommitPoint, Consumer, Log, ProducerRecord, Subscription, TaskProducer } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { Topology } from '../../../topology/graph.ts'
import type { Processor, ProcessorContext } from '../../../topology/processor-api.ts'
import type { Record } from '../../../topology/record.ts'
import { type KeyValueStore, keyValueStore } from '../../../topology/state-store.ts'
import { changed, running, send } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, text, written } from '../../support/text-program.ts'

const inStages = { atomicCommit: false, repeatsRecords: true, handsOn: false }
const atOnce = { ...inStages, atomicCommit: true }

describe('The commits of a thread', () => {
  it('take effect in order, even if a revocation needs a short commit while a longer commit is running', async () => {
    const scene = await Scene.open(inStages, steps())
    await scene.send('one')
    await scene.world.clock.advance(100)
    scene.holdNext()
    await scene.send('two')
    await scene.world.clock.until(() => scene.isHeld)
    await scene.send('nothing')
    await scene.world.clock.advance(30)
    scene.tell('app', ({ app }) => app?.revoked([in0]))
    await scene.world.clock.advance(2000)
    scene.release()
    await scene.world.clock.advance(100)
    assert.deepEqual(scene.offsets, [1, 2, 3])
    await scene.close()
  })

  it('write the last store first on a log without atomic commits, and remove handled due entries last', async () => {
    const scene = await Scene.open(inStages, steps())
    await scene.send('one')
    await scene.world.clock.advance(100)
    await scene.send('two')
    await scene.world.clock.advance(100)
    assert.deepEqual(scene.writes, [
      ['out one'],
      ['app-second-changelog one'],
      ['app-first-changelog one'],
      ['out two'],
      ['app-first-changelog two'],
      ['app-second-changelog null'],
    ])
    await scene.close()
  })

  it('carry a position even if they contain only the work of a schedule, so that the log can check the task’s owner', async () => {
    const scene = await Scene.open(atOnce, steps())
    await scene.send('one')
    await scene.world.clock.advance(100)
    await scene.world.clock.advance(10_000)
    assert.deepEqual(scene.writes.at(-1), ['app-first-changelog tick'])
    assert.deepEqual(scene.offsets, [1, 1])
    await scene.close()
  })

  for (const traits of [atOnce, inStages]) {
    const processing = traits.atomicCommit ? 'exactly once' : 'at least once'

    it(`leave out the writes of a lost task when another task leaves at the same time, ${processing}`, async () => {
      const scene = await Scene.open(traits, twoReaders(), 30_000)
      await scene.world.clock.advance(1000)
      await scene.send('one')
      await scene.world.clock.advance(5)
      assert.deepEqual(scene.waiting, ['out-x one', 'out-y one'])
      scene.tell('app-x', async (listeners) => {
        await listeners['app-x']?.lost([in0])
        await listeners['app-y']?.revoked([in0])
      })
      await scene.world.clock.advance(60_000)
      assert.deepEqual([scene.committed('out-x'), scene.committed('out-y')], [0, 0])
      await scene.close()
    })
  }

  it('end if a task is lost during a commit, and the task’s new owner repeats the work', async () => {
    const scene = await Scene.open(inStages, twoReaders())
    await scene.send('one')
    await scene.world.clock.advance(1000)
    scene.holdNext()
    await scene.send('two')
    await scene.world.clock.until(() => scene.isHeld)
    scene.tell('app-x', (listeners) => listeners['app-x']?.lost([in0]))
    await scene.world.clock.advance(2000)
    scene.release()
    await scene.world.clock.advance(60_000)
    assert.deepEqual(scene.failures, ['WAGGLE_FENCED'])
    await scene.close()
  })
})

/**
 * A program with two stores. A record `one` sets both stores. A record `two` sets the first store and deletes from the second. Every ten seconds the
 * program stores a tick.
 */
function steps(): Topology {
  const processor = (): Processor<string, string, string, string> => {
    let bound: { context: ProcessorContext<string, string>; first: KeyValueStore<string, string>; second: KeyValueStore<string, string> } | null =
      null
    return {
      init(context) {
        const first = context.getStateStore<KeyValueStore<string, string>>('first')
        bound = { context, first, second: context.getStateStore('second') }
        context.schedule(10_000, 'WALL_CLOCK_TIME', () => first.put('schedule', 'tick'))
      },
      process(record: Record<string, string>) {
        if (bound === null || record.value === 'nothing') return
        bound.first.put('k', record.value)
        bound.second.put('k', record.value === 'one' ? 'one' : null)
        bound.context.forward(record)
      },
    }
  }
  const stores = ['first', 'second'].map((name) => ({ ...keyValueStore({ name, key: text, value: text }), removedLast: name === 'second' }))
  const topology = new Topology().addSource('source', 'in', read).addProcessor('steps', processor, ['source'])
  for (const store of stores) topology.addStateStore(store, ['steps'])
  return topology.addSink('sink', 'out', ['steps'], written)
}

/** Two sub-topologies that read one topic have a group each. */
function twoReaders(): Topology {
  const topology = new Topology()
  for (const name of ['x', 'y']) {
    topology.addSourceWith(name, ['in'], { key: text, value: text, isShared: true })
    topology.addSink(`${name}-out`, `out-${name}`, [name], written)
  }
  return topology
}

/** An application on a log whose commits can be inspected and delayed, and whose listeners can be called. */
class Scene {
  readonly world: SimulatedWorld
  readonly failures: string[] = []
  /** The offsets of positions in the order in which commits were sent, one for each commit with a position. */
  readonly offsets: number[] = []
  /** The records that each commit, or each stage of a commit, has written. Commits and stages without records are left out. */
  readonly writes: (readonly string[])[] = []
  #log: Log | null = null
  #close: () => Promise<void> = async () => {}
  #isHolding = false
  #release: (() => void) | null = null
  readonly #told = new Map<string, (listeners: Listeners) => unknown>()
  readonly #listeners: { [group: string]: AssignmentListener } = {}
  readonly #appended = new Map<TaskProducer, ProducerRecord[]>()

  private constructor(world: SimulatedWorld) {
    this.world = world
  }

  static async open(traits: typeof inStages, topology: Topology, commitIntervalMs = 50): Promise<Scene> {
    const scene = new Scene(new SimulatedWorld({ traits, keepsState: false }))
    const log = scene.world.boot()
    scene.#log = log
    await log.createTopics(['in', 'out', 'out-x', 'out-y'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
    const { close } = await running(scene.world, {
      topology,
      log: scene.#watched(log),
      states: new SimulatedStateDirectory(new SimulatedStateFiles('p')),
      commitIntervalMs,
      onFailure: ({ code }) => scene.failures.push(code),
    })
    scene.#close = close
    return scene
  }

  send(value: string): Promise<void> {
    if (this.#log === null) throw new Error('It is not open')
    return send(this.world, this.#log, 'in', 1, value)
  }

  /** Holds the next commit back. */
  holdNext(): void {
    this.#isHolding = true
  }

  get isHeld(): boolean {
    return this.#release !== null
  }

  release(): void {
    this.#release?.()
    this.#release = null
  }

  /** Calls the listeners of a group at its next poll. */
  tell(group: string, what: (listeners: Listeners) => unknown): void {
    this.#told.set(group, what)
  }

  /** Appended records that no commit has taken yet. */
  get waiting(): readonly string[] {
    return [...this.#appended.values()].flat().map(shown)
  }

  committed(topic: string): number {
    return this.world.disk.topics.get(topic)?.partitions[0]?.records.length ?? 0
  }

  close(): Promise<void> {
    return this.#close()
  }

  #watched(log: Log): Log {
    return changed(log, {
      taskProducer: async (options) => this.#watchedProducer(await log.taskProducer(options)),
      subscribe: async (subscription) => this.#toldConsumer(await log.subscribe(subscription), subscription),
    })
  }

  #watchedProducer(producer: TaskProducer): TaskProducer {
    const appended: ProducerRecord[] = []
    this.#appended.set(producer, appended)
    return changed<TaskProducer>(producer, {
      append: (record) => {
        appended.push(record)
        producer.append(record)
      },
      commit: async (point: CommitPoint) => {
        const records = appended.splice(0).map(shown)
        if (this.#isHolding) {
          this.#isHolding = false
          await new Promise<void>((resolve) => {
            this.#release = resolve
          })
        }
        if (records.length > 0) this.writes.push(records)
        this.offsets.push(...point.positions.map(({ offset }) => offset))
        return producer.commit(point)
      },
      abort: () => {
        appended.splice(0)
        return producer.abort()
      },
    })
  }

  #toldConsumer(consumer: Consumer, { group, listener }: Subscription): Consumer {
    this.#listeners[group] = listener
    return changed<Consumer>(consumer, {
      poll: async (options) => {
        const what = this.#told.get(group)
        this.#told.delete(group)
        await what?.(this.#listeners)
        return consumer.poll(options)
      },
    })
  }
}

type Listeners = { readonly [group: string]: AssignmentListener | undefined }
const in0 = { topic: 'in', partition: 0 }

function shown({ topic, value }: ProducerRecord): string {
  return `${topic} ${value instanceof Uint8Array ? Buffer.from(value) : value}`
}
