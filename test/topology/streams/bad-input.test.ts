import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  Joined,
  JoinWindows,
  type KStream,
  Materialized,
  Named,
  type ProcessorContext,
  Produced,
  Repartitioned,
  Serdes,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  StreamsBuilder,
  TimestampExtractors,
  TimeWindows,
  WaggleError,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { type Row, read, TextProgram, tableToOut, text, toOut, written } from '../../support/text-program.ts'

const concat = (left: string | null, right: string | null) => `${left}+${right}`
type Text = KStream<string | null, string | null>

/** Checks that an error has the expected code, a place and a next step. */
async function fails(act: () => Promise<unknown> | unknown, code: string, message: RegExp): Promise<void> {
  await assert.rejects(
    async () => act(),
    (error) => {
      assert.ok(error instanceof WaggleError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.ok(error.next.length > 10)
      return true
    },
  )
}

describe('A null key', () => {
  const dropped: { readonly [step: string]: (stream: Text, builder: StreamsBuilder) => void } = {
    'a count': (stream) => tableToOut(stream.groupByKey().count()),
    'a reduction': (stream) => tableToOut(stream.groupByKey().reduce(concat)),
    'a grouping by another key': (stream) => tableToOut(stream.groupBy((key) => key, Grouped.with(text, text)).count()),
    'tumbling windows': (stream) => tableToOut(stream.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(10)).count()),
    'sliding windows': (stream) => tableToOut(stream.groupByKey().windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(10)).count()),
    sessions: (stream) => tableToOut(stream.groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(10)).count()),
    'a cogroup': (stream) =>
      tableToOut(
        stream
          .groupByKey()
          .cogroup((_, value, sum: string) => concat(sum, value))
          .aggregate(() => '', Materialized.with(text, text)),
      ),
    'a table of a stream': (stream) => tableToOut(stream.toTable()),
    'an inner join with a stream': (stream, builder) =>
      toOut(stream.join(builder.stream('other', read), concat, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text))),
    'an inner join with a table': (stream, builder) => toOut(stream.join(builder.table('other', read), concat)),
    'an inner join with a global table': (stream, builder) => toOut(stream.join(builder.globalTable('other', read), () => null, concat)),
  }
  for (const [step, write] of Object.entries(dropped)) {
    it(`is dropped in front of ${step}, and no other record is`, async () => {
      await using program = new TextProgram((builder) => write(builder.stream('in', read), builder), {
        defaultKeySerde: text,
        defaultValueSerde: text,
      })
      assert.deepEqual(await program.after(['in', null, 'v', 1]), [])
    })
  }

  it('is dropped if it comes in a table’s topic', async () => {
    await using program = new TextProgram((builder) => tableToOut(builder.table('in', read)))
    assert.deepEqual(await program.after(['in', null, 'v', 1], ['in', 'k', 'v', 2]), ['k:v@2'])
  })

  const unmatched: { readonly [step: string]: (stream: Text, builder: StreamsBuilder) => KStream<string | null, string> } = {
    'a left join with a table': (stream, builder) => stream.leftJoin(builder.table('other', read), concat),
    'a left join with a global table': (stream, builder) => stream.leftJoin(builder.globalTable('other', read), () => null, concat),
    'a left join with a stream': (stream, builder) =>
      stream.leftJoin(builder.stream('other', read), concat, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text)),
    'an outer join with a stream': (stream, builder) =>
      stream.outerJoin(builder.stream('other', read), concat, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text)),
  }
  for (const [step, write] of Object.entries(unmatched)) {
    it(`is forwarded by ${step} as a record without a match (KIP-962)`, async () => {
      await using program = new TextProgram((builder) => toOut(write(builder.stream('in', read), builder)))
      assert.deepEqual(await program.after(['in', null, 'v', 1]), ['null:v+null@1'])
    })
  }
})

describe('A null value', () => {
  it('is dropped in front of a count and of an inner join, and deletes the row of a table', async () => {
    await using program = new TextProgram((builder) => {
      const table = builder.table('table', read)
      const stream = builder.stream('in', read)
      tableToOut(stream.groupByKey().count())
      toOut(stream.join(table, concat))
      tableToOut(table)
    })
    assert.deepEqual(await program.after(['table', 'k', 'a', 0], ['in', 'k', null, 1], ['in', 'k', 'b', 2]), ['k:a@0', 'k:1@2', 'k:b+a@2'])
    assert.deepEqual(await program.after(['table', 'k', null, 3], ['in', 'k', 'c', 4]), ['k:null@3', 'k:2@4'])
  })
})

describe('A user’s function that throws', () => {
  const throwing = () => {
    throw new RangeError('no such bear')
  }
  const programs: { readonly [step: string]: (stream: Text, builder: StreamsBuilder) => void } = {
    filter: (stream) => toOut(stream.filter(throwing)),
    mapValues: (stream) => toOut(stream.mapValues(throwing)),
    'a branch': (stream) => {
      stream.split().branch(throwing).noDefaultBranch()
    },
    'an aggregator': (stream) => tableToOut(stream.groupByKey().aggregate(() => '', throwing, Materialized.with(text, text))),
    'an initializer': (stream) => tableToOut(stream.groupByKey().aggregate(throwing, () => '', Materialized.with(text, text))),
    'the joiner with a table': (stream, builder) => toOut(stream.leftJoin(builder.table('other', read), throwing)),
    'the joiner of tables': (stream, builder) => tableToOut(stream.toTable().leftJoin(builder.table('other', read), throwing)),
    'the joiner of streams': (stream) =>
      toOut(stream.leftJoin(stream, throwing, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text))),
    'a foreign key': (stream, builder) =>
      tableToOut(stream.toTable().leftJoin(builder.table('other', read), throwing, concat, Materialized.with(text, text))),
    'the joiner by a foreign key': (stream, builder) =>
      tableToOut(stream.toTable().leftJoin(builder.table('other', read), () => 'x', throwing, Materialized.with(text, text))),
    'a topic’s name': (stream) => stream.to(throwing, written),
    'a partitioner': (stream) => stream.to('out', Produced.with(text, text, { partitioner: throwing })),
    'a timestamp extractor': (_, builder) => toOut(builder.stream('in-2', Consumed.with(text, text, { timestampExtractor: throwing }))),
  }
  for (const [step, write] of Object.entries(programs)) {
    it(`fails with its node’s name, its own message and its error as the cause: ${step}`, async () => {
      await using program = new TextProgram((builder) => write(builder.stream('in', read), builder))
      await assert.rejects(program.pipe(['in', 'k', 'v', 1], ['in-2', 'k', 'v', 1]), (error) => {
        assert.ok(error instanceof WaggleError, String(error))
        assert.match(error.code, /^WAGGLE_(PROCESSING|PRODUCTION|DESERIALIZATION)_FAILED$/)
        assert.match(error.message, /K(STREAM|TABLE)-[A-Z-]+-\d{10} failed in [a-z]+: no such bear/)
        assert.ok(error.cause instanceof RangeError)
        return true
      })
    })
  }

  it('calls the processing handler with the record, and the program goes on if the handler says so', async () => {
    const asked: unknown[] = []
    await using program = new TextProgram(
      (builder) =>
        toOut(
          builder.stream('in', read).mapValues((value) => {
            if (value === 'bad') throw new Error('bad bear')
            return value
          }),
        ),
      {
        processingHandler: ({ code, message }, { key, value, timestamp, topic, partition, offset, node, taskId }) => {
          asked.push([code, message, key, value, timestamp, topic, partition, offset, node, taskId])
          return 'resume'
        },
      },
    )
    assert.deepEqual(await program.after(['in', 'k', 'bad', 5], ['in', 'k', 'good', 6]), ['k:good@6'])
    const node = 'KSTREAM-MAPVALUES-0000000001'
    assert.deepEqual(asked, [
      [
        'WAGGLE_PROCESSING_FAILED',
        `${node} failed in processing: bad bear (task 0_0, topic in, partition 0, offset 0)`,
        'k',
        'bad',
        5,
        'in',
        0,
        0n,
        node,
        '0_0',
      ],
    ])
  })
})

describe('The stores of a processor', () => {
  it('are refused when a node asks for one that is not connected to it', async () => {
    const store = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('mine'), text, text)
    await fails(
      async () => {
        await using program = new TextProgram((builder) => {
          builder.addStateStore(store)
          builder.stream('a', read).process(() => ({ process: () => {} }), { stores: ['mine'] })
          builder.stream('in', read).process(() => ({ init: (context) => context.getStateStore(store), process: () => {} }))
        })
        await program.pipe(['in', 'k', 'v'])
      },
      'WAGGLE_STORE_NOT_CONNECTED',
      /KSTREAM-PROCESSOR-\d+ .*the store mine/,
    )
  })

  it('are refused by build if one of them was never added', async () => {
    await fails(
      () => {
        const builder = new StreamsBuilder()
        builder.stream('in', read).process(() => ({ process: () => {} }), { stores: ['nobody’s'] })
        builder.build()
      },
      'WAGGLE_STORE_UNKNOWN',
      /nobody’s/,
    )
  })

  const named = Materialized.as<string, number, 'keyValue'>('twice')
  const twice: { readonly [how: string]: (builder: StreamsBuilder) => void } = {
    'two tables': (builder) => {
      builder.table('a', read, Materialized.as('twice'))
      builder.table('b', read, Materialized.as('twice'))
    },
    'a table and an aggregation': (builder) => {
      builder.table('a', read, Materialized.as('twice'))
      builder.stream('in', read).groupByKey().count(named)
    },
    'two builders': (builder) => {
      const make = () => Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('twice'), text, text)
      builder.addStateStore(make()).addStateStore(make())
    },
    'the stores of two joins': (builder) => {
      const [a, b] = [builder.stream('a', read), builder.stream('b', read)]
      const joined = StreamJoined.with(text, text, text, { storeName: 'twice' })
      a.join(b, concat, JoinWindows.ofTimeDifferenceWithNoGrace(1), joined)
      a.join(b, concat, JoinWindows.ofTimeDifferenceWithNoGrace(1), joined)
    },
  }
  for (const [how, write] of Object.entries(twice)) {
    it(`are refused if two have the same name: ${how}`, async () => {
      await fails(
        () => {
          const builder = new StreamsBuilder()
          write(builder)
          builder.build()
        },
        'WAGGLE_STORE_EXISTS',
        /twice/,
      )
    })
  }

  it('may be added twice with the same builder', () => {
    const store = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('shared'), text, text)
    const builder = new StreamsBuilder()
    builder.addStateStore(store).addStateStore(store)
    builder.stream('a', read).process(() => ({ process: () => {} }), { stores: [store] })
    builder.stream('b', read).process(() => ({ process: () => {} }), { stores: [store] })
    assert.equal(builder.build().describe().toString().split('(stores: [shared])').length, 3)
  })
})

describe('Topics that are not co-partitioned', () => {
  const joins: { readonly [how: string]: (builder: StreamsBuilder) => void } = {
    'two streams': (builder) => {
      builder
        .stream('a', read)
        .join(builder.stream('b', read), concat, JoinWindows.ofTimeDifferenceWithNoGrace(1), StreamJoined.with(text, text, text))
        .foreach(() => {})
    },
    'a stream and a table': (builder) =>
      builder
        .stream('a', read)
        .join(builder.table('b', read), concat)
        .foreach(() => {}),
    'two tables': (builder) =>
      builder
        .table('a', read)
        .join(builder.table('b', read), concat)
        .toStream()
        .foreach(() => {}),
  }
  for (const [how, write] of Object.entries(joins)) {
    it(`are refused with the number of partitions of each topic: ${how}`, async () => {
      await fails(
        async () => {
          await using program = new TextProgram(write, { partitions: { a: 2, b: 3 } })
          await program.pipe(['a', 'k', 'v'])
        },
        'WAGGLE_NOT_COPARTITIONED',
        /a has 2.*b has 3|b has 3.*a has 2/,
      )
    })
  }

  it('are allowed in a foreign-key join, with a global table, and after a repartition', async () => {
    await using program = new TextProgram(
      (builder) => {
        const table = builder.table('a', read)
        tableToOut(table.join(builder.table('b', read), (value) => value, concat, Materialized.with(text, text)))
        toOut(builder.stream('c', read).join(builder.globalTable('d', read), (key) => key, concat))
      },
      { partitions: { a: 2, b: 3, c: 4, d: 1 } },
    )
    assert.deepEqual(await program.after(['b', 'x', 'B', 0], ['a', 'k', 'x', 1], ['d', 'k', 'D', 2], ['c', 'k', 'C', 3]), ['k:x+B@1', 'k:C+D@3'])
  })
})

describe('A negative timestamp', () => {
  it('fails the program, with the record’s place', () =>
    fails(
      async () => {
        await using program = new TextProgram((builder) => toOut(builder.stream('in', read)))
        await program.pipe(['in', 'k', 'v', 1], ['in', 'k', 'v', -1])
      },
      'WAGGLE_INVALID_TIMESTAMP',
      /Record 1 of in, partition 0, has no valid timestamp \(-1\)/,
    ))

  const of = (name: keyof typeof TimestampExtractors) =>
    new TextProgram((builder) => toOut(builder.stream('in', Consumed.with(text, text, { timestampExtractor: TimestampExtractors[name] }))), {
      startTimeMs: 77,
    })
  const rows: readonly Row[] = [
    ['in', 'k', 'a', -1],
    ['in', 'k', 'b', 5],
    ['in', 'k', 'c', -2],
  ]
  it('is skipped, or replaced by the partition’s time or the clock’s time, if the extractor says so', async () => {
    await using skipping = of('logAndSkipOnInvalid')
    assert.deepEqual(await skipping.after(...rows), ['k:b@5'])
    await using partitionTime = of('usePartitionTimeOnInvalid')
    assert.deepEqual(await partitionTime.after(...rows.slice(1)), ['k:b@5', 'k:c@5'])
    await using clock = of('wallclock')
    assert.deepEqual(await clock.after(...rows), ['k:a@77', 'k:b@77', 'k:c@77'])
  })

  it('fails the program if the partition’s time is to replace it and the partition has no time yet', () =>
    fails(
      async () => {
        await using program = of('usePartitionTimeOnInvalid')
        await program.pipe(...rows)
      },
      'WAGGLE_INVALID_TIMESTAMP',
      /Record 0 of in, partition 0, has no valid timestamp \(-1\), and no earlier record of the partition has one/,
    ))

  it('is refused if a processor sets it', () =>
    fails(
      async () => {
        await using program = new TextProgram((builder) =>
          toOut(
            builder.stream('in', read).process<string, string>(() => {
              let forward = () => {}
              return {
                init(context) {
                  forward = () => context.forward({ key: 'k', value: 'v', timestamp: -5 })
                },
                process: () => forward(),
              }
            }),
          ),
        )
        await program.pipe(['in', 'k', 'v', 1])
      },
      'WAGGLE_INVALID_TIMESTAMP',
      /KSTREAM-PROCESSOR-\d+ .*-5/,
    ))
})

describe('A value of the wrong type', () => {
  it('fails in the node of the aggregator that returns it, and a handler may skip its record', async () => {
    const builder = new StreamsBuilder()
    const wrong = (_: string, value: string, sum: number) => (value === 'text' ? (value as unknown as number) : sum + 1)
    builder
      .stream('in', read)
      .groupByKey(Grouped.with(text, text))
      .aggregate(() => 0, wrong, Materialized.with(text, Serdes.long()))
      .toStream()
      .to('out', Produced.with(text, Serdes.long()))
    const failed: string[] = []
    await using driver = new TopologyTestDriver(builder.build(), {
      processingHandler: (error, { node }) => {
        failed.push(`${node}: ${error.message}`)
        return 'resume'
      },
    })
    const input = driver.createInputTopic('in', text, text)
    for (const value of ['a', 'text', 'b']) await input.pipeInput('k', value)
    const out = driver.createOutputTopic('out', text, Serdes.long()).readRecordsToList()
    assert.deepEqual(
      out.map(({ value }) => value),
      [1, 2],
    )
    assert.equal(failed.length, 1)
    assert.match(failed[0] ?? '', /^KSTREAM-AGGREGATE-\d+: /)
  })

  it('gives an error with the node, the topic and the cause if the value cannot be read', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', Consumed.with(text, Serdes.long())).to('out')
    await using driver = new TopologyTestDriver(builder.build())
    await fails(() => driver.createInputTopic('in', text, text).pipeInput('k', 'not a long'), 'WAGGLE_INVALID_VALUE', /in.*10 bytes.*8/)
  })

  it('gives an error with the topic and the cause if the value cannot be written', async () => {
    const written: { readonly [what: string]: (builder: StreamsBuilder) => void } = {
      'a string as a long': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.long()) as never),
      'a number as a string': (builder) =>
        builder
          .stream('in', read)
          .mapValues(() => 7)
          .to('out', Produced.with(text, text) as never),
      'text as bytes': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.bytes()) as never),
      'text as a boolean': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.boolean()) as never),
      'an integer out of range': (builder) =>
        builder
          .stream('in', read)
          .mapValues(() => 2 ** 31)
          .to('out', Produced.with(text, Serdes.integer())),
      'a fraction as an integer': (builder) =>
        builder
          .stream('in', read)
          .mapValues(() => 1.5)
          .to('out', Produced.with(text, Serdes.integer())),
      'a fraction as a short': (builder) =>
        builder
          .stream('in', read)
          .mapValues(() => 1.5)
          .to('out', Produced.with(text, Serdes.short())),
      'text as a double': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.double()) as never),
      'text as a bigint': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.bigLong()) as never),
      'text as a list': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.list(text)) as never),
      'a value where there is none': (builder) => builder.stream('in', read).to('out', Produced.with(text, Serdes.void()) as never),
    }
    for (const [what, write] of Object.entries(written)) {
      await using program = new TextProgram(write)
      await assert.rejects(program.pipe(['in', 'k', 'v', 1]), (error) => {
        assert.ok(error instanceof WaggleError, `${what}: ${error}`)
        assert.ok(error.code === 'WAGGLE_INVALID_VALUE' || error.code === 'WAGGLE_UNSAFE_INTEGER', `${what}: ${error.code} ${error.message}`)
        assert.match(error.message, /out|integer/, what)
        return true
      })
    }
  })
})

describe('The name of a step', () => {
  const bad = ['', 'two words', 'bären', '..', 'x'.repeat(250)]
  const named: { readonly [what: string]: (name: string) => unknown } = {
    'of a step': (name) => Named.as(name),
    'of a store': (name) => Materialized.as(name),
    'of a group': (name) => Grouped.with(text, text, { name }),
    'of a repartition': (name) => Repartitioned.with(text, text, { name }),
    'of a join with a table': (name) => Joined.with(text, text, text, { name }),
    'of a join of streams': (name) => StreamJoined.with(text, text, text, { name }),
    'of a source': (name) => new StreamsBuilder().stream('in', Consumed.with(text, text, { name })),
    'of a sink': (name) => new StreamsBuilder().stream('in', read).to('out', Produced.with(text, text, { name })),
  }
  for (const [what, make] of Object.entries(named)) {
    it(`is refused if no topic can have it: the name ${what}`, () => {
      for (const name of bad) assert.throws(() => make(name), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /cannot be a name/ })
      make('a.good_Name-1')
    })
  }

  it('is refused if another step has it', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('in', read)
    stream.filter(() => true, Named.as('twice'))
    stream.filter(() => true, Named.as('twice'))
    assert.throws(() => builder.build(), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /twice/ })
  })
})

describe('A stream of another builder', () => {
  const strangers: { readonly [how: string]: (stream: Text, other: StreamsBuilder) => unknown } = {
    merged: (stream, other) => stream.merge(other.stream('b', read)),
    joined: (stream, other) =>
      stream.join(other.stream('b', read), concat, JoinWindows.ofTimeDifferenceWithNoGrace(1), StreamJoined.with(text, text, text)),
    'joined as a table': (stream, other) => stream.join(other.table('b', read), concat),
    'joined as tables': (stream, other) => stream.toTable().join(other.table('b', read), concat),
    'joined by a foreign key': (stream, other) => stream.toTable().join(other.table('b', read), (value) => value, concat),
    cogrouped: (stream, other) =>
      stream
        .groupByKey()
        .cogroup((_, value, sum: string) => concat(sum, value))
        .cogroup(other.stream('b', read).groupByKey(), (_, value, sum) => concat(sum, value)),
  }
  for (const [how, write] of Object.entries(strangers)) {
    it(`cannot be ${how}`, () => {
      assert.throws(() => write(new StreamsBuilder().stream('a', read), new StreamsBuilder()), {
        code: 'WAGGLE_INVALID_TOPOLOGY',
        message: /different StreamsBuilders/,
      })
    })
  }
})

describe('The function of a sink', () => {
  const sinks: { readonly [what: string]: readonly [string, (stream: Text) => void] } = {
    'that names no topic': ['WAGGLE_INVALID_TOPIC', (stream) => stream.to(() => '', written)],
    'that forgets to name a topic': ['WAGGLE_UNDEFINED_VALUE', (stream) => stream.to(() => undefined as never, written)],
    'that chooses a partition which does not exist': [
      'WAGGLE_INVALID_PARTITION',
      (stream) => stream.to('out', Produced.with(text, text, { partitioner: () => 1 })),
    ],
    'that chooses several partitions, one of which does not exist,': [
      'WAGGLE_INVALID_PARTITION',
      (stream) => stream.to('out', Produced.with(text, text, { partitioner: () => [0, -1] })),
    ],
    'that forgets to choose a partition': [
      'WAGGLE_UNDEFINED_VALUE',
      (stream) => stream.to('out', Produced.with(text, text, { partitioner: () => undefined as never })),
    ],
  }
  for (const [what, [code, write]] of Object.entries(sinks)) {
    it(`${what} fails in the sink`, async () => {
      await using program = new TextProgram((builder) => write(builder.stream('in', read)))
      await assert.rejects(program.pipe(['in', 'k', 'v']), { code })
      assert.deepEqual(program.take(), [])
    })
  }
})

describe('An undefined value in piped input', () => {
  it('is refused as a key, as a value and in a record', async () => {
    await using program = new TextProgram((builder) => toOut(builder.stream('in', read)))
    const input = program.driver.createInputTopic('in', text, text)
    const refused = { code: 'WAGGLE_UNDEFINED_VALUE' }
    await assert.rejects(input.pipeInput('k', undefined as never), refused)
    await assert.rejects(input.pipeInput(undefined as never, 'v'), refused)
    await assert.rejects(input.pipeInput({ key: 'k' } as never), refused)
  })
})

describe('A processor that throws', () => {
  type Context = ProcessorContext<never, never>
  const programOf = (init: (context: Context) => void, config?: ConstructorParameters<typeof TextProgram>[1]) =>
    new TextProgram((builder) => void builder.stream('in', read).process<never, never>(() => ({ init, process: () => {} })), config)

  it('fails the program with the processor’s name if init throws', () => {
    const failing = () => {
      throw new RangeError('no such file')
    }
    assert.throws(() => programOf(failing), {
      code: 'WAGGLE_PROCESSING_FAILED',
      message: /KSTREAM-PROCESSOR-\d+ failed in init: no such file/,
    })
  })

  it('fails the program in a punctuation too, where the handler gets no record', async () => {
    const ticking = (context: Context) => {
      context.schedule(10, 'WALL_CLOCK_TIME', () => {
        throw new RangeError('tick')
      })
    }
    await using failing = programOf(ticking)
    await assert.rejects(failing.driver.advanceWallClockTime(10), {
      code: 'WAGGLE_PROCESSING_FAILED',
      message: /failed in processing: tick \(task 0_0, in a punctuation\)$/,
    })
    const asked: unknown[] = []
    await using resuming = programOf(ticking, {
      processingHandler: ({ code }, { key, value, offset, node }) => {
        asked.push([code, key, value, offset, node])
        return 'resume'
      },
    })
    await resuming.driver.advanceWallClockTime(10)
    assert.deepEqual(asked, [['WAGGLE_PROCESSING_FAILED', null, null, -1n, 'KSTREAM-PROCESSOR-0000000001']])
  })
})

describe('A number of partitions', () => {
  it('is refused if no topic can have it', () => {
    for (const count of [0, -1, 1.5]) {
      assert.throws(() => new TextProgram((builder) => toOut(builder.stream('in', read)), { partitions: { in: count } }), {
        code: 'WAGGLE_INVALID_CONFIG',
        message: /in cannot have/,
      })
      assert.throws(() => Repartitioned.with(text, text, { numberOfPartitions: count }), { code: 'WAGGLE_INVALID_TOPOLOGY' })
    }
  })
})
