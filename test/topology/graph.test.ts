import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Cancellable,
  type KeyValueStore,
  type ProcessorContext,
  type ProcessorSupplier,
  type RecordMetadata,
  Repartitioned,
  Serdes,
  Stores,
  StreamsBuilder,
  Topology,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, text, written } from '../support/text-program.ts'

type Text = ProcessorSupplier<string | null, string | null, string | null, string | null>
type TextContext = ProcessorContext<string | null, string | null>

/** A processor that calls `act` with each record. */
function doing(act: (context: TextContext, key: string | null, value: string | null) => void, init: (context: TextContext) => void = () => {}): Text {
  return () => {
    let context: TextContext | null = null
    return {
      init(given) {
        context = given
        init(given)
      },
      process: ({ key, value }) => context !== null && act(context, key, value),
    }
  }
}

const counts = () => Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('counts'), text, Serdes.long())

describe('The processors of a topology', () => {
  it('forward records to all children, or only to the named child', async () => {
    const splitting: Text = doing((context, key, value) => {
      context.forward({ key, value: `${value}-all`, timestamp: 1 })
      context.forward({ key, value: `${value}-right`, timestamp: 2 }, 'right')
    })
    const topology = new Topology()
      .addSource('source', ['in', 'in-2'], read)
      .addProcessor('split', splitting, ['source'])
      .addSink('left', 'left', ['split'], written)
      .addSink('right', 'right', ['split'], written)
    await using driver = new TopologyTestDriver(topology)
    await driver.createInputTopic('in-2', text, text).pipeInput({ key: 'k', value: 'v', timestamp: 7, headers: [{ key: 'h', value: null }] })
    const values = (topic: string) =>
      driver
        .createOutputTopic(topic, text, text)
        .readRecordsToList()
        .map(({ value, timestamp, headers }) => [value, timestamp, headers.length])
    assert.deepEqual(values('left'), [['v-all', 1, 0]])
    assert.deepEqual(values('right'), [
      ['v-all', 1, 0],
      ['v-right', 2, 0],
    ])
  })

  it('get an error with the children’s names if they forward to an unknown child', async () => {
    const topology = new Topology()
      .addSource('source', 'in', read)
      .addProcessor(
        'one',
        doing((context, key, value) => context.forward({ key, value, timestamp: 0 }, 'nobody')),
        ['source'],
      )
      .addSink('sink', 'out', ['one'], written)
    await using driver = new TopologyTestDriver(topology)
    await assert.rejects(driver.createInputTopic('in', text, text).pipeInput('k', 'v'), { message: /one.*forwards to nobody/, next: /sink/ })
  })

  it('know their application id, their task and their record’s place', async () => {
    const seen: unknown[] = []
    const metadata: (RecordMetadata | null)[] = []
    const looking = doing(
      (context) => {
        const { applicationId, taskId, currentStreamTime, currentSystemTime, recordMetadata } = context
        seen.push([applicationId, taskId, currentStreamTime, currentSystemTime])
        metadata.push(recordMetadata)
      },
      (context) => {
        seen.push(['init', context.taskId, context.currentStreamTime])
        context.schedule(10, 'WALL_CLOCK_TIME', () => metadata.push(context.recordMetadata))
      },
    )
    const topology = new Topology().addSource('source', 'in', read).addProcessor('look', looking, ['source'])
    await using driver = new TopologyTestDriver(topology, { applicationId: 'app', startTimeMs: 1000 })
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('k', 'v', 50)
    await input.pipeInput('k', 'v', 40)
    await driver.advanceWallClockTime(10)
    assert.deepEqual(seen, [
      ['init', '0_0', -1],
      ['app', '0_0', 50, 1000],
      ['app', '0_0', 50, 1000],
    ])
    assert.deepEqual(metadata, [{ topic: 'in', partition: 0, offset: 0n }, { topic: 'in', partition: 0, offset: 1n }, null])
  })

  it('share a store with each other, which puts them into one sub-topology', async () => {
    const store = counts()
    const counting = doing((context, key) => {
      const own = context.getStateStore(store)
      own.put(key ?? '', (own.get(key ?? '') ?? 0) + 1)
    })
    const showing = doing((context, key) => {
      const own = context.getStateStore<KeyValueStore<string, number>>('counts')
      context.forward({ key, value: String(own.get(key ?? '')), timestamp: 0 })
    })
    const topology = new Topology()
      .addSource('ups', 'ups', read)
      .addSource('shows', 'shows', read)
      .addProcessor('count', counting, ['ups'])
      .addProcessor('show', showing, ['shows'])
      .addStateStore(store, ['count'])
      .connectProcessorAndStateStores('show', ['counts'])
      .addSink('out', 'out', ['show'], written)
    await using driver = new TopologyTestDriver(topology)
    for (const key of ['a', 'a', 'b']) await driver.createInputTopic('ups', text, text).pipeInput(key, 'x')
    for (const key of ['a', 'b', 'c']) await driver.createInputTopic('shows', text, text).pipeInput(key, 'x')
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ key, value }) => [key, value]),
      [
        ['a', '2'],
        ['b', '1'],
        ['c', 'null'],
      ],
    )
    assert.equal(driver.getKeyValueStore<string, number>('counts').get('a'), 2)
  })

  it('can bring their store with them (KIP-401)', async () => {
    const store = counts()
    const topology = new Topology().addSource('source', 'in', read).addProcessor(
      'count',
      doing((context, key) => context.getStateStore(store).put(key ?? '', 1)),
      ['source'],
      { stores: [store] },
    )
    await using driver = new TopologyTestDriver(topology)
    await driver.createInputTopic('in', text, text).pipeInput('k', 'v')
    assert.deepEqual([...driver.getKeyValueStore<string, number>('counts').all()], [['k', 1]])
  })

  it('are created once for each task, and closed', async () => {
    const life: string[] = []
    const topology = new Topology().addSource('source', 'in', read).addProcessor(
      'one',
      () => ({
        init: (context) => life.push(`init ${context.taskId}`),
        process: () => {},
        close: () => life.push('close'),
      }),
      ['source'],
    )
    const driver = new TopologyTestDriver(topology, { partitions: { in: 2 } })
    await driver.close()
    assert.deepEqual(life, ['init 0_0', 'init 0_1', 'close', 'close'])
  })
})

describe('A punctuation', () => {
  async function punctuated(
    type: 'STREAM_TIME' | 'WALL_CLOCK_TIME',
    act: (driver: TopologyTestDriver) => Promise<void>,
    cancelAfter = Number.POSITIVE_INFINITY,
  ) {
    const fired: number[] = []
    let schedule: Cancellable | null = null
    const topology = new Topology()
      .addSource('source', 'in', read)
      .addProcessor(
        'one',
        doing(
          () => {},
          (context) => {
            schedule = context.schedule(10, type, (timestamp) => {
              fired.push(timestamp)
              context.forward({ key: 'k', value: String(timestamp), timestamp })
              if (fired.length >= cancelAfter) schedule?.cancel()
            })
          },
        ),
        ['source'],
      )
      .addSink('out', 'out', ['one'], written)
    await using driver = new TopologyTestDriver(topology)
    await act(driver)
    assert.equal(driver.createOutputTopic('out', text, text).readRecordsToList().length, fired.length)
    return fired
  }
  const pipe = async (driver: TopologyTestDriver, ...times: readonly number[]) => {
    for (const time of times) await driver.createInputTopic('in', text, text).pipeInput('k', 'v', time)
  }

  it('by stream time fires with the first record, then on its grid, and only once however far time jumps', async () => {
    assert.deepEqual(await punctuated('STREAM_TIME', (driver) => pipe(driver, 3, 5, 9, 10, 12, 19, 20, 55, 56, 61, 40)), [3, 10, 20, 55, 61])
  })

  it('by stream time never fires by the wall clock alone', async () => {
    assert.deepEqual(await punctuated('STREAM_TIME', (driver) => driver.advanceWallClockTime(1000)), [])
  })

  it('by the wall clock fires once each time the clock has passed its next time', async () => {
    const fired = await punctuated('WALL_CLOCK_TIME', async (driver) => {
      for (const ms of [9, 1, 5, 5, 35, 1]) await driver.advanceWallClockTime(ms)
      await pipe(driver, 5000)
    })
    assert.deepEqual(fired, [10, 20, 55])
  })

  it('stops when it is cancelled', async () => {
    const fired = await punctuated(
      'WALL_CLOCK_TIME',
      async (driver) => {
        for (let times = 0; times < 5; times++) await driver.advanceWallClockTime(10)
      },
      2,
    )
    assert.deepEqual(fired, [10, 20])
  })

  it('is refused with an interval of 0', () => {
    const topology = new Topology().addSource('source', 'in', read).addProcessor(
      'one',
      doing(
        () => {},
        (context) => context.schedule(0, 'STREAM_TIME', () => {}),
      ),
      ['source'],
    )
    assert.throws(() => new TopologyTestDriver(topology), { code: 'WAGGLE_INVALID_INTERVAL' })
  })
})

describe('A mistake in a topology', () => {
  const idle: Text = doing(() => {})
  const refused = (code: string, act: () => void) =>
    assert.throws(act, (error: Error & { code?: string; next?: string }) => error.code === code && Boolean(error.next))
  const sourced = () => new Topology().addSource('source', 'in', read)

  it('is refused by the call that makes it', () => {
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addSource('source', 'other', read))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addSource('other', 'in', read))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addSource('none', [], read))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addProcessor('one', idle, ['nobody']))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addProcessor('one', idle, []))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addProcessor('one', idle, ['one']))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addSink('sink', 'out', ['nobody'], written))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addSink('sink', 'out', ['source'], written).addProcessor('one', idle, ['sink']))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addStateStore(counts(), ['nobody']))
    refused('WAGGLE_INVALID_TOPOLOGY', () => sourced().addStateStore(counts(), ['source']))
    refused('WAGGLE_STORE_UNKNOWN', () => sourced().addProcessor('one', idle, ['source'], { stores: ['nothing'] }))
    refused('WAGGLE_STORE_EXISTS', () => sourced().addStateStore(counts()).addStateStore(counts()))
  })
})

describe('The description of a topology', () => {
  it('equals the text of Kafka Streams', () => {
    const topology = new Topology()
      .addSource('source', ['in', 'in-2'], read)
      .addProcessor(
        'count',
        doing(() => {}),
        ['source'],
      )
      .addStateStore(counts(), ['count'])
      .addSink('sink', 'out', ['count'], written)
      .addSource('pattern', /x-.*/, read)
      .addSink('chosen', () => 'any', ['pattern'], written)
    assert.equal(
      topology.describe().toString(),
      [
        'Topologies:',
        '   Sub-topology: 0',
        '    Source: source (topics: [in, in-2])',
        '      --> count',
        '    Processor: count (stores: [counts])',
        '      --> sink',
        '      <-- source',
        '    Sink: sink (topic: out)',
        '      <-- count',
        '',
        '  Sub-topology: 1',
        '    Source: pattern (topics: x-.*)',
        '      --> chosen',
        '    Sink: chosen (extractor class: )',
        '      <-- pattern',
        '',
        '',
      ].join('\n'),
    )
  })

  it('can be printed as Mermaid and as JSON', () => {
    const topology = new Topology().addSource('source', 'in', read).addSink('sink', 'out', ['source'], written)
    assert.match(topology.describe().toMermaid(), /source --> sink/)
    assert.deepEqual(topology.describe().toJSON(), {
      subtopologies: [
        {
          id: 0,
          nodes: [
            { name: 'source', type: 'source', parents: [], topics: ['in'] },
            { name: 'sink', type: 'sink', parents: ['source'], topic: 'out' },
          ],
        },
      ],
    })
  })
})

describe('A topic beside a pattern that matches it', () => {
  const refused = { code: 'WAGGLE_INVALID_TOPOLOGY', message: /both read the topic ab/ }

  it('is refused by a Topology, whichever of the two comes first', () => {
    assert.throws(() => new Topology().addSource('s', 'ab', read).addSource('p', /a.*/, read), refused)
    assert.throws(() => new Topology().addSource('p', /a.*/, read).addSource('s', ['b', 'ab'], read), refused)
  })

  it('is refused by build: for a stream, a table, a global table, and an internal topic of the program', () => {
    const programs: readonly ((builder: StreamsBuilder) => void)[] = [
      (builder) => builder.stream('ab', read).to('out'),
      (builder) => builder.table('ab', read).toStream().to('out'),
      (builder) => void builder.globalTable('ab', read),
    ]
    for (const program of programs) {
      const [before, after] = [new StreamsBuilder(), new StreamsBuilder()]
      before.stream(/a./, read).to('x')
      program(before)
      program(after)
      after.stream(/a./, read).to('x')
      assert.throws(() => before.build(), refused)
      assert.throws(() => after.build(), refused)
    }
    const builder = new StreamsBuilder()
    builder
      .stream(/a.*/, read)
      .repartition(Repartitioned.with(text, text, { name: 'a' }))
      .to('out')
    assert.throws(() => builder.build(), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /a-repartition/ })
  })

  it('may be read if the pattern matches only a part of its name, and may be written even if the pattern matches the whole name', () => {
    assert.ok(new Topology().addSource('p', /a/, read).addSource('s', 'ab', read))
    assert.ok(new Topology().addSource('p', /a.*/, read).addSink('s', 'ab', ['p'], written))
  })
})

describe('A topic that a source names twice', () => {
  it('is refused', () => {
    assert.throws(() => new Topology().addSource('s', ['a', 'a'], read), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /a twice/ })
  })
})
