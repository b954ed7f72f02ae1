import type { Topology } from '../../topology/graph.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeyValueStore, SessionStore, StateStore, VersionedKeyValueStore, WindowStore } from '../../topology/state-store.ts'
import { aName, aNumber, aSerde, type Kind, optionsOf, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import { aTopology } from '../../topology/streams/topology-argument.ts'
import { DrivenProgram, type TestDriverConfig } from './driven-program.ts'
import { KeyValueView, SessionView, VersionedView, WindowView } from './store-views.ts'
import { type InputTimes, TestInputTopic } from './test-input-topic.ts'
import { TestOutputTopic } from './test-output-topic.ts'

/**
 * Runs the real tasks of a topology, one record at a time, on a clock that a test moves. When `pipeInput` has settled, everything that the record
 * causes has happened. Each record is a commit of its own, so a crash loses only what the test wants to lose.
 */
export class TopologyTestDriver implements AsyncDisposable {
  readonly #program: DrivenProgram

  constructor(topology: Topology, config: TestDriverConfig = {}) {
    refuseWrong('new TopologyTestDriver', parameters({ topology: aTopology, 'config?': aConfig }), [topology, config])
    this.#program = new DrivenProgram(topology, config)
  }

  /**
   * Creates a topic to pipe records into, with its serdes. A record without a timestamp gets the time of the wall clock, or the topic's own time.
   *
   * @example
   * ```ts
   * const input = driver.createInputTopic('lines', text, text)
   * await input.pipeInput('1', 'to be or not to be')
   * ```
   *
   * @remarks A topic that matches the pattern of a source is read from this call on. With `{ startTimestamp: 0, autoAdvanceMs: 10 }` each record is
   * 10 ms after the one before.
   */
  createInputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>, times: InputTimes = {}): TestInputTopic<K, V> {
    refuseWrong(
      'TopologyTestDriver.createInputTopic',
      parameters({ ...topicKinds, 'times?': optionsOf({ startTimestamp: aNumber, autoAdvanceMs: aNumber }) }),
      [name, key, value, times],
    )
    this.#program.discover(name)
    return new TestInputTopic(
      () => this.#program.now(),
      (record) => this.#program.pipe({ ...record, topic: name }),
      name,
      { key, value },
      times,
    )
  }

  /**
   * Creates a topic to read the program's output from, with its serdes.
   *
   * @example
   * ```ts
   * const output = driver.createOutputTopic('counts', text, Serdes.long())
   * console.log(output.readRecordsToList())
   * ```
   *
   * @remarks Two output topics of the same name share their position, as in Kafka Streams' driver.
   */
  createOutputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>): TestOutputTopic<K, V> {
    refuseWrong('TopologyTestDriver.createOutputTopic', parameters(topicKinds), [name, key, value])
    return new TestOutputTopic(this.#program.outputOf(name), name, key, value)
  }

  /** The topics that the program has written to, including topics that it also reads. */
  get producedTopicNames(): readonly string[] {
    return [...this.#program.outputs].flatMap(([topic, { records }]) => (records.length > 0 ? [topic] : [])).sort()
  }

  /**
   * Advances the wall clock by `ms`, and runs everything that becomes due: punctuations, timeouts, batches.
   *
   * @example
   * ```ts
   * await driver.advanceWallClockTime(1_000)
   * ```
   *
   * @remarks Stream time does not change: it is the highest timestamp among the records. So a window closes only when a later record is piped.
   */
  async advanceWallClockTime(ms: number): Promise<void> {
    refuseWrong('TopologyTestDriver.advanceWallClockTime', parameters({ ms: aDuration }), [ms])
    await this.#program.advance(ms)
  }

  /**
   * Returns a key-value store over all partitions, with values without timestamps. Throws WAGGLE_STORE_UNKNOWN if there is no such store of this
   * kind.
   *
   * @example
   * ```ts
   * const counts = driver.getKeyValueStore<string, number>('word-counts')
   * console.log(counts.get('be'))
   * ```
   */
  getKeyValueStore<K, V>(name: string): KeyValueStore<K, V> {
    const [spec, stores] = this.#program.storesOf(name, 'keyValue')
    return spec.kind === 'custom' ? (stores[0] as KeyValueStore<K, V>) : new KeyValueView<K, V>(spec, stores as never)
  }

  /**
   * Returns a window store over all partitions. Throws WAGGLE_STORE_UNKNOWN if there is no such store of this kind.
   *
   * @example
   * ```ts
   * const minutes = driver.getWindowStore<string, number>('clicks-a-minute')
   * console.log(minutes.fetch('anna', 0))
   * ```
   */
  getWindowStore<K, V>(name: string): WindowStore<K, V> {
    const [spec, stores] = this.#program.storesOf(name, 'window')
    return spec.kind === 'custom' ? (stores[0] as WindowStore<K, V>) : new WindowView<K, V>(spec, stores as never)
  }

  /**
   * Returns a session store over all partitions. Throws WAGGLE_STORE_UNKNOWN if there is no such store of this kind.
   *
   * @example
   * ```ts
   * const sessions = driver.getSessionStore<string, number>('clicks-a-session')
   * console.log([...sessions.fetch('anna')])
   * ```
   */
  getSessionStore<K, V>(name: string): SessionStore<K, V> {
    const [spec, stores] = this.#program.storesOf(name, 'session')
    return spec.kind === 'custom' ? (stores[0] as SessionStore<K, V>) : new SessionView<K, V>(spec, stores as never)
  }

  /**
   * Returns a versioned store over all partitions. Throws WAGGLE_STORE_UNKNOWN if there is no such store of this kind.
   *
   * @example
   * ```ts
   * const prices = driver.getVersionedKeyValueStore<string, number>('prices')
   * console.log(prices.get('honey', 1_000)?.value)
   * ```
   */
  getVersionedKeyValueStore<K, V>(name: string): VersionedKeyValueStore<K, V> {
    const [spec, stores] = this.#program.storesOf(name, 'versioned')
    return spec.kind === 'custom' ? (stores[0] as VersionedKeyValueStore<K, V>) : new VersionedView<K, V>(spec, stores as never)
  }

  /**
   * Returns all stores by name, each as the method for its kind returns it. A custom store is returned as it is in the first partition.
   *
   * @example
   * ```ts
   * console.log([...driver.getAllStateStores().keys()])
   * ```
   */
  getAllStateStores(): ReadonlyMap<string, StateStore> {
    const views = {
      keyValue: (name: string) => this.getKeyValueStore(name),
      window: (name: string) => this.getWindowStore(name),
      session: (name: string) => this.getSessionStore(name),
      versioned: (name: string) => this.getVersionedKeyValueStore(name),
      custom: (name: string) => this.getKeyValueStore(name),
    }
    return new Map([...this.#program.stores.values()].map(({ name, kind }) => [name, views[kind](name)]))
  }

  /**
   * Kills all tasks, and starts them again from their last commit. Kafka Streams' driver has no such method.
   *
   * @example
   * ```ts
   * const input = driver.createInputTopic('lines', text, text)
   * await input.pipeInput('1', 'to be')
   * await driver.crash()
   * await input.pipeInput('2', 'or not to be')
   * ```
   *
   * @remarks Each record is a commit of its own, so a crash loses only calls in flight.
   */
  async crash(): Promise<void> {
    await this.#program.crash()
  }

  /**
   * Closes the tasks and their processors. `await using driver = new TopologyTestDriver(…)` does this at the end of the block.
   *
   * @example
   * ```ts
   * await driver.close()
   * ```
   */
  async close(): Promise<void> {
    await this.#program.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A time span that passes. It is never negative, because the wall clock does not go back. */
const aDuration: Kind = (value, name) =>
  typeof value === 'number' && value >= 0 && Number.isFinite(value) ? null : { name, wanted: 'a number of ms, at least 0,' }

const topicKinds = { name: aName, key: aSerde, value: aSerde }
const aConfig = optionsOf({ applicationId: aName, startTimeMs: aNumber, partitions: optionsOf({}), maxTaskIdleMs: aNumber })
