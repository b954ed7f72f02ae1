import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Branched,
  Consumed,
  type FixedKeyProcessorContext,
  type Header,
  Materialized,
  Named,
  type ProcessorContext,
  Produced,
  Repartitioned,
  Serdes,
  StreamsBuilder,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, TextProgram, tableToOut, text, toOut, written } from '../../support/text-program.ts'

describe('A stateless step', () => {
  it('gets nulls as null, and keeps the time and the headers of its record', async () => {
    const seen: (readonly [string | null, string | null])[] = []
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .peek((key, value) => seen.push([key, value]))
      .filter((key) => key !== 'no')
      .filterNot((_, value) => value === 'no')
      .mapValues((value, key) => `${key}=${value}`)
      .flatMapValues((value) => [value, value.toUpperCase()])
      .flatMap((key, value) => [[key, value] as const, [key, null] as const])
      .selectKey((key, value) => (value === null ? null : key))
      .map((key, value) => [key, value] as const)
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build())
    const headers: Header[] = [
      { key: 'h', value: Buffer.from('1') },
      { key: 'h', value: null },
    ]
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput({ key: null, value: null, timestamp: 7, headers })
    await input.pipeInput('no', 'x', 8)
    await input.pipeInput('k', 'no', 9)
    assert.deepEqual(driver.createOutputTopic('out', text, text).readRecordsToList(), [
      { key: null, value: 'null=null', timestamp: 7, headers },
      { key: null, value: null, timestamp: 7, headers },
      { key: null, value: 'NULL=NULL', timestamp: 7, headers },
      { key: null, value: null, timestamp: 7, headers },
    ])
    assert.deepEqual(seen, [
      [null, null],
      ['no', 'x'],
      ['k', 'no'],
    ])
  })

  it('passes each record to both of the steps after it, in the order of the program', async () => {
    await using program = new TextProgram((builder) => {
      const stream = builder.stream('in', read)
      toOut(stream.mapValues((value) => `1${value}`))
      toOut(stream.mapValues((value) => `2${value}`))
    })
    assert.deepEqual(await program.after(['in', 'k', 'a', 1], ['in', 'k', 'b', 2]), ['k:1a@1', 'k:2a@1', 'k:1b@2', 'k:2b@2'])
  })

  it('merges two streams in the order of their records', async () => {
    await using program = new TextProgram((builder) => {
      toOut(builder.stream('a', read).merge(builder.stream('b', read)).merge(builder.stream('c', read), Named.as('all')))
    })
    assert.deepEqual(await program.after(['c', 'k', '1', 5], ['a', 'k', '2', 1], ['b', null, null, 3]), ['k:1@5', 'k:2@1', 'null:null@3'])
  })

  it('ends the stream if it is a foreach', async () => {
    const seen: unknown[] = []
    await using program = new TextProgram((builder) => builder.stream('in', read).foreach((key, value) => seen.push([key, value])))
    await program.pipe(['in', 'k', 'v'])
    assert.deepEqual(seen, [['k', 'v']])
  })
})

describe('A split stream', () => {
  it('sends a record to the first branch whose predicate returns true, and drops a record that no branch takes', async () => {
    await using program = new TextProgram((builder) => {
      const branches = builder
        .stream('in', read)
        .split(Named.as('by-'))
        .branch((_, value) => value === 'a', Branched.as('a'))
        .branch((_, value) => value !== 'z')
        .noDefaultBranch()
      assert.deepEqual([...branches.keys()], ['by-a', 'by-2'])
      for (const [name, stream] of branches) toOut(stream.mapValues((value) => `${name} ${value}`))
    })
    assert.deepEqual(await program.after(['in', 'k', 'a', 0], ['in', 'k', 'b', 0], ['in', 'k', 'z', 0]), ['k:by-a a@0', 'k:by-2 b@0'])
  })

  it('may have a default branch, functions and consumers; its map lacks the branches that a consumer took', async () => {
    await using program = new TextProgram((builder) => {
      const branches = builder
        .stream('in', read)
        .split(Named.as('by-'))
        .branch(
          (_, value) => value === 'consumed',
          Branched.withConsumer((stream) => toOut(stream.mapValues(() => 'by a consumer')), Named.as('eaten')),
        )
        .branch(
          (_, value) => value === 'mapped',
          Branched.withFunction((stream) => stream.mapValues((value) => `${value}!`), Named.as('fn')),
        )
        .defaultBranch(Branched.as('rest'))
      assert.deepEqual([...branches.keys()], ['by-fn', 'by-rest'])
      for (const stream of branches.values()) toOut(stream)
    })
    assert.deepEqual(await program.after(['in', 'k', 'consumed', 0], ['in', 'k', 'mapped', 0], ['in', 'k', 'other', 0]), [
      'k:by a consumer@0',
      'k:mapped!@0',
      'k:other@0',
    ])
  })

  it('numbers its branches if it has no name, and its default branch is number 0', () => {
    const branches = new StreamsBuilder()
      .stream('in', read)
      .split()
      .branch(() => true)
      .branch(() => true)
      .defaultBranch()
    assert.deepEqual([...branches.keys()], ['KSTREAM-BRANCH-00000000011', 'KSTREAM-BRANCH-00000000012', 'KSTREAM-BRANCH-00000000010'])
  })
})

describe('An undefined result', () => {
  const nothing = undefined as unknown as string
  const wrong: { readonly [operator: string]: (builder: StreamsBuilder) => void } = {
    map: (builder) => toOut(builder.stream('in', read).map(() => ['k', nothing] as const)),
    'map, of a key': (builder) => toOut(builder.stream('in', read).map(() => [nothing, 'v'] as const)),
    selectKey: (builder) => toOut(builder.stream('in', read).selectKey(() => nothing)),
    mapValues: (builder) => toOut(builder.stream('in', read).mapValues(() => nothing)),
    flatMap: (builder) => toOut(builder.stream('in', read).flatMap(() => [['k', nothing]] as const)),
    'flatMap, of a key': (builder) => toOut(builder.stream('in', read).flatMap(() => [[nothing, 'v']] as const)),
    flatMapValues: (builder) => toOut(builder.stream('in', read).flatMapValues(() => [nothing])),
    'groupBy of a stream': (builder) => {
      tableToOut(
        builder
          .stream('in', read)
          .groupBy(() => nothing)
          .count(),
      )
    },
    reduce: (builder) => {
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey()
          .reduce(() => nothing),
      )
    },
    aggregate: (builder) => {
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey()
          .aggregate(
            () => '',
            () => nothing,
            Materialized.with(text, text),
          ),
      )
    },
    'an initializer': (builder) => {
      tableToOut(
        builder
          .stream('in', read)
          .groupByKey()
          .aggregate(
            () => nothing,
            (_, value) => value,
            Materialized.with(text, text),
          ),
      )
    },
    'mapValues of a table': (builder) => tableToOut(builder.table('in', read).mapValues(() => nothing)),
    'groupBy of a table': (builder) =>
      tableToOut(
        builder
          .table('in', read)
          .groupBy(() => ['k', nothing] as const)
          .count(),
      ),
    'a foreign key': (builder) =>
      tableToOut(
        builder.table('in', read).join(
          builder.table('other', read),
          () => nothing,
          (left) => left,
          Materialized.with(text, text),
        ),
      ),
    'a processor': (builder) =>
      toOut(
        builder.stream('in', read).process<string, string>(() => {
          let context: ProcessorContext<string, string> | null = null
          return { init: (given) => (context = given), process: (record) => context?.forward({ ...record, key: 'k', value: nothing }) }
        }),
      ),
  }
  for (const [operator, write] of Object.entries(wrong)) {
    it(`gives an error that names the operator: ${operator}`, async () => {
      await using program = new TextProgram(write, { defaultKeySerde: text, defaultValueSerde: text })
      await assert.rejects(program.pipe(['in', 'k', 'v', 1], ['in', 'k', 'w', 2]), { code: 'WAGGLE_UNDEFINED_VALUE' })
    })
  }
})

describe('A repartition topic', () => {
  it('takes its name, its number of partitions and its partitioner from Repartitioned', async () => {
    const builder = new StreamsBuilder()
    const partitioned = Repartitioned.with(text, text, { name: 'mine', numberOfPartitions: 3, partitioner: (_topic, key) => (key === 'a' ? 2 : 1) })
    builder
      .stream('in', read)
      .repartition(partitioned)
      .processValues<string>(() => {
        let context: FixedKeyProcessorContext<string> | null = null
        return {
          init: (given) => (context = given),
          process: (record) =>
            context?.forward({ ...record, value: `${context.taskId} ${context.recordMetadata?.topic} ${context.recordMetadata?.partition}` }),
        }
      })
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build(), { applicationId: 'app' })
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('a', 'x')
    await input.pipeInput('b', 'x')
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['1_2 app-mine-repartition 2', '1_1 app-mine-repartition 1'],
    )
    assert.equal(driver.createOutputTopic('app-mine-repartition', text, text).readRecordsToList().length, 2)
  })

  it('is left out if no step before it changes keys', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapValues((value) => value)
      .filter(() => true)
      .groupByKey()
      .count()
    assert.equal(builder.build().describe().toString().includes('repartition'), false)
  })
})

describe('A sink', () => {
  it('chooses its topic by record, with the record’s context', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to((key, value, { topic, partition, offset, timestamp, headers }) => {
      assert.deepEqual([topic, partition, offset, timestamp, headers.length, value], ['in', 0, 0n, 5, 1, 'v'])
      return `out-${key}`
    }, written)
    await using driver = new TopologyTestDriver(builder.build())
    await driver.createInputTopic('in', text, text).pipeInput({ key: 'k', value: 'v', timestamp: 5, headers: [{ key: 'h', value: null }] })
    assert.equal(driver.createOutputTopic('out-k', text, text).readRecord().value, 'v')
  })

  it('writes a copy to each partition that its partitioner returns, and drops a record for which it returns none', async () => {
    const builder = new StreamsBuilder()
    const asked: unknown[] = []
    const partitioner = (topic: string, key: string | null, value: string | null, partitions: number) => {
      asked.push([topic, key, value, partitions])
      if (value === 'all') return Array.from({ length: partitions }, (_, at) => at)
      return value === 'none' ? [] : value === 'one' ? 1 : null
    }
    builder.stream('in', read).to('out', Produced.with(text, text, { partitioner }))
    const reader = new StreamsBuilder()
    reader.stream('in', read).to('out', Produced.with(text, text, { partitioner }))
    await using driver = new TopologyTestDriver(builder.build(), { partitions: { out: 3 } })
    const input = driver.createInputTopic('in', text, text)
    const out = driver.createOutputTopic('out', text, text)
    const copies: number[] = []
    for (const value of ['all', 'none', 'one', 'usual']) {
      await input.pipeInput('k', value)
      copies.push(out.readRecordsToList().length)
    }
    assert.deepEqual(copies, [3, 0, 1, 1])
    assert.deepEqual(asked[0], ['out', 'k', 'all', 3])
  })

  it('takes serdes from its own options, otherwise from the stream, otherwise from the defaults', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', Consumed.with(text, Serdes.integer()))
      .mapValues((value) => value ?? 0)
      .to('out')
    await using driver = new TopologyTestDriver(builder.build(), { defaultValueSerde: Serdes.double() })
    await driver.createInputTopic('in', text, Serdes.integer()).pipeInput('k', 3)
    assert.equal(driver.createOutputTopic('out', text, Serdes.double()).readRecord().value, 3)
  })
})
