import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  type ProcessorSupplier,
  Produced,
  Serdes,
  type StateStore,
  type StoreBuilder,
  StreamsBuilder,
  Topology,
  WaggleError,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text).skipNullKeys().skipNullValues()
const written = Produced.with(text, text)

/** A store that a user implements. It loses its content with its task. */
class Tally implements StateStore {
  readonly persistent = false
  readonly name: string
  readonly seen: string[] = []

  constructor(name: string) {
    this.name = name
  }
}

function tallies(name: string): { readonly builder: StoreBuilder<Tally>; readonly made: Tally[] } {
  const made: Tally[] = []
  const build = () => {
    const tally = new Tally(name)
    made.push(tally)
    return tally
  }
  return { builder: { name, build }, made }
}

/** Forwards with each value the number of values that the store has seen. */
function counting(store: string | StoreBuilder<Tally>): ProcessorSupplier<string, string, string, string> {
  return () => {
    let count = (_: string) => 0
    let forward: (record: { key: string; value: string; timestamp: number }) => void = () => {}
    return {
      init(context) {
        const tally = context.getStateStore<Tally>(store as string)
        count = (value) => tally.seen.push(value)
        forward = (record) => context.forward(record)
      },
      process: ({ key, value, timestamp }) => forward({ key, value: `${value} ${count(value)}`, timestamp }),
    }
  }
}

async function outputs(
  topology: Topology,
  values: readonly string[],
  partitions = 1,
): Promise<{ driver: TopologyTestDriver; values: (string | null)[] }> {
  const driver = new TopologyTestDriver(topology, { partitions: { in: partitions } })
  const input = driver.createInputTopic('in', text, text)
  for (const value of values) await input.pipeInput(value, value, 0)
  return {
    driver,
    values: driver
      .createOutputTopic('out', text, text)
      .readRecordsToList()
      .map(({ value }) => value),
  }
}

describe('A custom store', () => {
  it('is given to its processor, one store for each task, however it was added to the program', async () => {
    const ways: ((store: StoreBuilder<Tally>) => Topology)[] = [
      (store) => {
        const builder = new StreamsBuilder()
        builder
          .stream('in', read)
          .process(counting(store), { stores: [store] })
          .to('out', written)
        return builder.build()
      },
      (store) => {
        const builder = new StreamsBuilder().addStateStore(store)
        builder
          .stream('in', read)
          .process(counting('tally'), { stores: ['tally'] })
          .to('out', written)
        return builder.build()
      },
      (store) =>
        new Topology()
          .addSource('source', 'in', read)
          .addProcessor('count', counting('tally'), ['source'])
          .addSink('sink', 'out', ['count'], written)
          .addStateStore(store, ['count']),
      (store) =>
        new Topology()
          .addSource('source', 'in', read)
          .addProcessor('count', counting(store), ['source'])
          .addSink('sink', 'out', ['count'], written)
          .addStateStore(store)
          .connectProcessorAndStateStores('count', ['tally']),
    ]
    for (const way of ways) {
      const { builder, made } = tallies('tally')
      const topology = way(builder)
      assert.equal(made.length, 0, 'nothing is made before there is a task')
      assert.match(topology.describe().toString(), /\(stores: \[tally\]\)/)
      const one = await outputs(topology, ['a', 'b', 'a'])
      assert.deepEqual(one.values, ['a 1', 'b 2', 'a 3'])
      assert.equal(made.length, 1)
      await one.driver.close()
      await outputs(topology, ['a', 'b', 'c', 'd'], 3)
      assert.equal(made.length, 1 + 3)
    }
  })

  it('is shared by the processors that name it, and by no other processor', async () => {
    const { builder: store, made } = tallies('tally')
    const topology = new Topology()
      .addSource('source', 'in', read)
      .addProcessor('first', counting('tally'), ['source'])
      .addProcessor('second', counting('tally'), ['first'])
      .addSink('sink', 'out', ['second'], written)
      .addStateStore(store, ['first', 'second'])
    assert.deepEqual((await outputs(topology, ['a', 'b'])).values, ['a 1 2', 'b 3 4'])
    assert.equal(made.length, 1)
    const without = new Topology()
      .addSource('source', 'in', read)
      .addProcessor('one', counting('tally'), ['source'])
      .addProcessor('other', counting('tally'), ['source'])
      .addStateStore(store, ['one'])
    assert.throws(() => new TopologyTestDriver(without), { code: 'WAGGLE_STORE_NOT_CONNECTED' })
  })

  it('ends with its task, and has no changelog', async () => {
    const { builder: store } = tallies('tally')
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .process(counting(store), { stores: [store] })
      .to('out', written)
    const { driver } = await outputs(builder.build(), ['a', 'b'])
    await driver.crash()
    await driver.createInputTopic('in', text, text).pipeInput('c', 'c')
    assert.equal(driver.createOutputTopic('out', text, text).readRecordsToList().at(-1)?.value, 'c 1')
    assert.deepEqual(driver.producedTopicNames, ['out'])
  })

  it('fails the start with its own error if it cannot be created', () => {
    const builder = new StreamsBuilder()
    const store: StoreBuilder<StateStore> = {
      name: 'broken',
      build() {
        throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'no', next: 'none' })
      },
    }
    builder.stream('in', read).process(() => ({ process() {} }), { stores: [store] })
    const topology = builder.build()
    assert.throws(() => new TopologyTestDriver(topology), /no/)
  })
})

/** The rows and the output of a count that uses this store. */
