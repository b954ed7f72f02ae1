import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, type KeyValueStore, type ProcessorSupplier, Produced, type StoreBuilder, Stores, Topology } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../processor/simulation/simulated-state-directory.ts'
import { changelogsOf } from '../../processor/state/changelog-topics.ts'
import { decorated } from '../../topology/decorated.ts'
import { running, withTopics } from '../support/simulated-application.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'
import { read, text } from '../support/text-program.ts'

type TextStore = KeyValueStore<string, string>

const prices = Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('prices'), text, text)

/** Puts each record into the store, with its value in capitals. */
const keeping: ProcessorSupplier<string | null, string | null, never, never> = () => {
  let put = (_key: string, _value: string | null, _timestamp: number) => {}
  return {
    init(context) {
      const store = context.getStateStore(prices)
      put = (key, value, timestamp) => store.put(key, value === null ? null : { value, timestamp })
    },
    process: ({ key, value, timestamp }) => put(key ?? '', value, timestamp),
  }
}

/** Forwards, for each record, the price of the record's value. */
const looking: ProcessorSupplier<string, string, string, string> = () => {
  let look = (_item: string) => ''
  let forward = (_record: { key: string; value: string; timestamp: number }) => {}
  return {
    init(context) {
      const store = context.getStateStore(prices)
      look = (item) => store.get(item)?.value ?? 'none'
      forward = (record) => context.forward(record)
    },
    process: (record) => forward({ ...record, value: look(record.value) }),
  }
}

function shop(): Topology {
  return new Topology()
    .addSource('orders', 'in', read)
    .addProcessor('look', looking, ['orders'])
    .addSink('sink', 'out', ['look'], Produced.with(text, text))
    .addReadOnlyStateStore(prices, 'price-source', Consumed.with(text, text), 'prices-in', 'keeper', keeping)
    .connectProcessorAndStateStores('look', ['prices'])
}

describe('A read-only store (KIP-813)', () => {
  it('has the rows that its processor makes from its topic, and other processors can read those rows', async () => {
    await using driver = new TopologyTestDriver(shop())
    const input = driver.createInputTopic('prices-in', text, text)
    await input.pipeInput('bread', '3', 7)
    const orders = driver.createInputTopic('in', text, text)
    for (const item of ['bread', 'milk']) await orders.pipeInput('order', item)
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['3', 'none'],
    )
    await driver.crash()
    assert.equal(driver.getKeyValueStore<string, string>('prices').get('bread'), '3')
  })

  it('uses its topic as the changelog, and writes no other changelog', () => {
    const topology = shop()
    assert.match(topology.describe().toString(), /Processor: keeper \(stores: \[prices\]\)/)
    const [subtopology] = topology.subtopologies()
    assert.ok(subtopology)
    const changelogs = changelogsOf('app', subtopology, 0)
    assert.deepEqual(
      changelogs.map(({ place, isSource }) => [place.topic, isSource]),
      [['prices-in', true]],
    )
  })

  it('is filled from its topic if the disk is lost and the log keeps no state', async () => {
    const world = new SimulatedWorld({ keepsState: false })
    const log = await withTopics(world, ['in', 'out', 'prices-in'])
    const producer = await log.producer()
    void producer.send({ topic: 'prices-in', partition: 0, key: Buffer.from('bread'), value: Buffer.from('3'), timestamp: 7, headers: [] })
    const options = () => ({
      topology: decorated(shop(), 'app', { key: null, value: null, timestampExtractor: null }),
      log,
      commitIntervalMs: 10,
      states: new SimulatedStateDirectory(new SimulatedStateFiles(`p${world.clock.now()}`)),
    })
    const first = await running(world, options())
    const price = ({ application }: typeof first) => application.threads.tasks[0]?.store('prices') as TextStore | null | undefined
    await world.clock.until(() => price(first)?.get('bread') != null)
    await world.clock.advance(100)
    await first.close()
    const second = await running(world, options())
    await world.clock.until(() => price(second) != null)
    assert.deepEqual(price(second)?.get('bread'), { value: '3', timestamp: 7 })
    await second.close()
  })

  it('is refused if its builder is a custom one', () => {
    const own: StoreBuilder<{ name: string; persistent: boolean }> = { name: 'own', build: () => ({ name: 'own', persistent: false }) }
    assert.throws(() => new Topology().addReadOnlyStateStore(own, 'source', read, 'in', 'keeper', () => ({ process() {} })), {
      code: 'WAGGLE_INVALID_TOPOLOGY',
      message: /own/,
    })
  })
})

describe('A global store of a Topology', () => {
  it('is read by every processor', async () => {
    const topology = new Topology()
      .addGlobalStore(prices, 'price-source', Consumed.with(text, text), 'prices-in', 'keeper', keeping)
      .addSource('orders', 'in', read)
      .addProcessor('look', looking, ['orders'])
      .addSink('sink', 'out', ['look'], Produced.with(text, text))
    assert.match(topology.describe().toString(), /for global store/)
    await using driver = new TopologyTestDriver(topology, { partitions: { in: 2, 'prices-in': 3 } })
    await driver.createInputTopic('prices-in', text, text).pipeInput('bread', '3')
    await driver.createInputTopic('in', text, text).pipeInput('order', 'bread')
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, '3')
  })
})
