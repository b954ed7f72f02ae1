import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Grouped, Joined, JoinWindows, type KStream, Repartitioned, Serdes, StreamJoined, StreamsBuilder } from 'waggle-streams'
import { read } from '../../support/text-program.ts'

const text = Serdes.string()
const near = JoinWindows.ofTimeDifferenceWithNoGrace(5)
const cat = (left: unknown, right: unknown) => `${left}+${right}`
const passing = () => ({ process() {} })

describe('A repartition topic that several steps share', () => {
  it('may have the name of a topic that it replaces, even with other steps between the two', () => {
    const builder = new StreamsBuilder()
    const read = Consumed.with(text, text)
    const names = builder.globalTable('names', read)
    const rekeyed = builder.stream('visits', read).map((key, value) => [value, key])
    rekeyed
      .leftJoin(
        names,
        (key) => key,
        (value, name) => `${value} ${name}`,
      )
      .groupByKey(Grouped.with(text, text, { name: 'by-name' }))
      .count()
    const described = builder.build({ optimization: 'all' }).describe().toString()
    assert.match(described, /Source: by-name-repartition-source \(topics: \[by-name-repartition\]\)\s+--> KSTREAM-LEFTJOIN-/)
    assert.match(described, /KSTREAM-LEFTJOIN-\d+ \(stores: \[\]\)\s+--> KSTREAM-AGGREGATE-/)
  })
})

describe('A processor in an optimised program', () => {
  const grouped = (stream: KStream<string | null, string | null>) => {
    stream.groupByKey(Grouped.with(text, text)).count()
    stream.groupByKey(Grouped.with(text, text)).reduce((value) => value)
  }
  const topicsOf = (program: (builder: StreamsBuilder) => void) => {
    const builder = new StreamsBuilder()
    program(builder)
    return [...builder.build({ optimization: 'all' }).internalTopics.keys()]
  }

  it('does not count as a change of keys: repartition topics after it stay separate', () => {
    const topics = topicsOf((builder) => grouped(builder.stream('a', read).process<string, string>(passing)))
    assert.deepEqual(topics, ['KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition', 'KSTREAM-REDUCE-STATE-STORE-0000000007-repartition'])
  })

  it('lets a repartition topic move before it, right behind the step that changes keys, if the processor keeps keys', () => {
    const topics = topicsOf((builder) => {
      const rekeyed = builder.stream('a', read).selectKey((_, value) => value)
      rekeyed.processValues<string>(passing).groupByKey(Grouped.with(text, text)).count()
      rekeyed.groupByKey(Grouped.with(text, text)).reduce((value) => value)
    })
    assert.deepEqual(topics, ['KSTREAM-AGGREGATE-STATE-STORE-0000000003-repartition'])
  })

  it('makes a merge after it share the repartition topic of the merge’s other side', () => {
    const topics = topicsOf((builder) =>
      grouped(
        builder
          .stream('a', read)
          .process<string | null, string | null>(passing)
          .merge(builder.stream('b', read).selectKey((_, value) => value)),
      ),
    )
    assert.deepEqual(topics, ['KSTREAM-AGGREGATE-STATE-STORE-0000000005-repartition'])
  })
})

describe('Streams that share topics', () => {
  it('share one source if all of their topics are the same, in any order', () => {
    const builder = new StreamsBuilder()
    builder.stream(['b', 'a'], read).to('x')
    builder.stream(['a', 'b', 'a'], read).to('y')
    const { nodes } = builder.build()
    const sources = [...nodes.values()].filter(({ kind }) => kind === 'source')
    assert.deepEqual(
      sources.map((source) => source.kind === 'source' && source.topics),
      [['b', 'a']],
    )
    assert.match(builder.build().describe().toString(), /KSTREAM-SOURCE-0000000000 .*\n\s+--> KSTREAM-SINK-0000000001, KSTREAM-SINK-0000000003/)
  })

  it('are refused if each stream also has a topic that the other stream does not have', () => {
    const builder = new StreamsBuilder()
    builder.stream(['a', 'b'], read).to('x')
    builder.stream(['b', 'c'], read).to('y')
    assert.throws(() => builder.build(), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /overlapping/ })
  })
})

describe('Repartition topics of different sizes', () => {
  const sized = (builder: StreamsBuilder, topic: string, numberOfPartitions: number) =>
    builder.stream(topic, read).repartition(Repartitioned.with(text, text, { name: `r${topic}`, numberOfPartitions }))
  const joins: { readonly [name: string]: (left: Text, right: Text) => unknown } = {
    'two streams': (left, right) => left.join(right, cat, near, StreamJoined.with(text, text, text)),
    'two streams behind other steps': (left, right) =>
      left.mapValues(String).outerJoin(right.filter(Boolean), cat, near, StreamJoined.with(text, text, text)),
    'a stream with a table': (left, right) => left.leftJoin(right.toTable(), cat, Joined.with(text, text, text)),
    'two tables': (left, right) => left.toTable().join(right.toTable().mapValues(String), cat),
    'streams of one cogroup': (left, right) =>
      left
        .groupByKey()
        .cogroup<string>(() => '')
        .cogroup(right.groupByKey(), () => '')
        .aggregate(() => ''),
  }
  for (const [what, join] of Object.entries(joins)) {
    it(`are refused by build if they meet in a join of ${what}`, () => {
      const builder = new StreamsBuilder()
      join(sized(builder, 'a', 2), sized(builder, 'b', 3))
      assert.throws(() => builder.build(), { code: 'WAGGLE_NOT_COPARTITIONED', message: /ra-repartition has 2, rb-repartition has 3/ })
    })
  }

  it('may be merged, and may be joined by a foreign key', () => {
    const builder = new StreamsBuilder()
    const [left, right] = [sized(builder, 'a', 2), sized(builder, 'b', 3)]
    left.merge(right).to('out')
    left
      .toTable()
      .join(right.toTable(), (value) => value, cat)
      .toStream()
      .to('out2')
    assert.ok(builder.build())
  })

  it('may be joined with a topic whose size is unknown before the start', () => {
    const builder = new StreamsBuilder()
    const other = sized(builder, 'b', 3).merge(builder.stream('c', read))
    sized(builder, 'a', 2).join(other, cat, near, StreamJoined.with(text, text, text))
    const rekeyed = builder.stream('d', read).selectKey((_, value) => value)
    sized(builder, 'e', 2).join(rekeyed, cat, near, StreamJoined.with(text, text, text))
    assert.ok(builder.build())
  })
})

type Text = KStream<string | null, string | null>
