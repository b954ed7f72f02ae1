import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  EmitStrategy,
  JoinWindows,
  Materialized,
  SessionWindows,
  SlidingWindows,
  StreamJoined,
  type StreamsBuilder,
  TimeWindows,
} from 'waggle-streams'
import { holds, type Scenario } from '../../support/scenario.ts'
import { type Row, read, TextProgram, tableToOut, text, toOut } from '../../support/text-program.ts'

const join = (left: string | null, right: string | null) => `${left}+${right}`
const foreign = (value: string) => (value === 'none' ? null : value)
const onClose = EmitStrategy.onWindowClose()
const kept = Materialized.with(text, text)
const streams = StreamJoined.with(text, text, text)
const grouped = (builder: StreamsBuilder) => builder.stream('in', read).groupByKey()
/** Values of `a` stay unchanged. Values of `b` become upper case. The value `del` deletes. */
const cogrouped = (builder: StreamsBuilder) =>
  builder
    .stream('a', read)
    .groupByKey()
    .cogroup<string>((_, value, sum) => (value === 'del' ? null : sum + value))
    .cogroup(builder.stream('b', read).groupByKey(), (_, value, sum) => sum + value.toUpperCase())

const scenarios: { readonly [name: string]: Scenario } = {
  'tumbling windows that come out when they close': {
    program: (builder) =>
      tableToOut(grouped(builder).windowedBy(TimeWindows.ofSizeAndGrace(10, 5)).emitStrategy(onClose).count(Materialized.as('w'))),
    rows: [
      ['in', 'k', 'a', 0, []],
      ['in', 'j', 'a', 3, []],
      ['in', 'k', 'b', 9, []],
      ['in', 'k', 'c', 14, []],
      ['in', 'k', 'd', 15, ['j[0,10]:1@3', 'k[0,10]:2@9']],
      ['in', 'k', 'e', 8, []],
      ['in', 'k', 'f', 40, []],
      ['in', 'k', 'g', 200000, []],
    ],
  },
  'hopping windows that come out when they close': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(TimeWindows.ofSizeWithNoGrace(10).advanceBy(5))
          .emitStrategy(onClose)
          .reduce((sum, value) => sum + value, Materialized.as('w')),
      ),
    rows: [
      ['in', 'k', 'a', 3, []],
      ['in', 'k', 'b', 7, []],
      ['in', 'k', 'c', 12, ['k[0,10]:ab@7']],
      ['in', 'k', 'd', 30, []],
      ['in', 'j', 'e', 31, []],
      ['in', 'k', 'f', 29, []],
    ],
  },
  'sessions that come out when they close': {
    program: (builder) =>
      tableToOut(grouped(builder).windowedBy(SessionWindows.ofInactivityGapAndGrace(5, 2)).emitStrategy(onClose).count(Materialized.as('w'))),
    rows: [
      ['in', 'k', 'a', 0, []],
      ['in', 'k', 'b', 4, []],
      ['in', 'j', 'c', 6, []],
      ['in', 'k', 'd', 11, []],
      ['in', 'k', 'e', 12, ['k[0,4]:2@4']],
      ['in', 'k', 'f', 7, []],
      ['in', 'i', 'g', 50, ['j[6,6]:1@6', 'k[7,12]:3@12']],
    ],
  },
  'sliding windows that come out when they close': {
    program: (builder) =>
      tableToOut(grouped(builder).windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(5, 2)).emitStrategy(onClose).count(Materialized.as('w'))),
    rows: [
      ['in', 'k', 'a', 10, []],
      ['in', 'k', 'b', 12, []],
      ['in', 'j', 'c', 14, ['k[5,10]:1@10']],
      ['in', 'k', 'd', 19, ['k[7,12]:2@12', 'j[9,14]:1@14', 'k[11,16]:1@12']],
      ['in', 'k', 'e', 30, ['k[14,19]:1@19']],
      ['in', 'k', 'f', 22, []],
    ],
  },
  'two streams in one aggregate over sessions': {
    program: (builder) =>
      tableToOut(
        cogrouped(builder)
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(5, 10))
          .aggregate(
            () => '',
            (_, left, right) => `${left}|${right}`,
            kept,
          ),
      ),
    rows: [
      ['a', 'k', 'x', 0, ['k[0,0]:x@0']],
      ['b', 'k', 'y', 3, ['k[0,0]:null@0', 'k[0,3]:|xY@3']],
      ['a', 'k', 'z', 20, ['k[20,20]:z@20']],
      ['b', 'k', 'w', 12, ['k[12,12]:W@12']],
      ['b', 'k', 'q', 8, ['k[12,12]:null@12', 'k[8,12]:|WQ@12']],
      ['a', 'j', 'n', 1, []],
    ],
  },
  'two streams in one aggregate over sliding windows': {
    program: (builder) =>
      tableToOut(
        cogrouped(builder)
          .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(5, 10))
          .aggregate(() => '', kept),
      ),
    rows: [
      ['a', 'k', 'x', 10, ['k[5,10]:x@10']],
      ['b', 'k', 'y', 13, ['k[11,16]:Y@13', 'k[8,13]:xY@13']],
      ['a', 'k', 'z', 16, ['k[11,16]:Yz@16', 'k[14,19]:z@16']],
      ['b', 'k', 'w', 11, ['k[11,16]:YzW@16', 'k[8,13]:xYW@13', 'k[6,11]:xW@11', 'k[12,17]:Yz@16']],
    ],
  },
  'two streams in one aggregate that is deleted': {
    program: (builder) => tableToOut(cogrouped(builder).aggregate(() => '', kept)),
    rows: [
      ['a', 'k', 'x', 10, ['k:x@10']],
      ['b', 'k', 'y', 3, ['k:xY@10']],
      ['a', 'k', 'del', 5, ['k:null@10']],
      ['b', 'k', 'w', 1, ['k:W@1']],
      ['a', 'k', null, 1, []],
      ['a', null, 'z', 1, []],
    ],
  },
  'a join of streams whose window lies before the record': {
    program: (builder) =>
      toOut(
        builder.stream('l', read).join(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceAndGrace(0, 100).before(10).after(-5), streams),
      ),
    rows: [
      ['r', 'k', 'R0', 0, []],
      ['l', 'k', 'L5', 5, ['k:L5+R0@5']],
      ['l', 'k', 'L4', 4, ['k:L4+R0@4']],
      ['l', 'k', 'L10', 10, ['k:L10+R0@10']],
      ['l', 'k', 'L11', 11, []],
      ['r', 'k', 'R3', 3, ['k:L10+R3@10', 'k:L11+R3@11']],
    ],
  },
  'a left join of streams with late records': {
    program: (builder) =>
      toOut(builder.stream('l', read).leftJoin(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceAndGrace(5, 10), streams)),
    rows: [
      ['l', 'k', 'a', 0, []],
      ['l', 'k', 'b', 10, []],
      ['r', 'k', 'A', 4, ['k:a+A@4']],
      ['l', 'k', 'c', 16, []],
      ['l', 'x', 'd', 26, ['k:b+null@10']],
      ['r', 'k', 'B', 11, ['k:b+B@11', 'k:c+B@16']],
      ['l', 'k', 'e', 3, ['k:e+A@4']],
      ['l', 'z', 'f', 100, ['x:d+null@26']],
      ['r', 'z', 'F', 96, ['z:f+F@100']],
    ],
  },
  'an outer join of streams with far jumps': {
    program: (builder) =>
      toOut(builder.stream('l', read).outerJoin(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceWithNoGrace(5), streams)),
    rows: [
      ['l', 'k', 'a', 0, []],
      ['r', 'k', 'A', 100, ['k:a+null@0']],
      ['l', 'k', 'b', 200, ['k:null+A@100']],
      ['l', 'k', 'c', 200, []],
      ['r', 'k', 'C', 200, ['k:b+C@200', 'k:c+C@200']],
      ['r', 'j', 'D', 300, []],
      ['l', 'j', 'E', 294, ['j:E+null@294']],
    ],
  },
  'a left join with a table': {
    program: (builder) => toOut(builder.stream('l', read).leftJoin(builder.table('r', read), join)),
    rows: [
      ['l', 'k', 'a', 5, ['k:a+null@5']],
      ['r', 'k', 'A', 1, []],
      ['l', 'k', 'b', 0, ['k:b+A@0']],
      ['r', 'k', null, 9, []],
      ['l', 'k', 'c', 1, ['k:c+null@1']],
      ['l', 'k', null, 1, []],
    ],
  },
  'a left join with a global table': {
    program: (builder) => toOut(builder.stream('l', read).leftJoin(builder.globalTable('r', read), (_, value) => value, join)),
    rows: [
      ['r', 'a', 'A', 5, []],
      ['l', 'k', 'a', 1, ['k:a+A@1']],
      ['l', null, 'a', 2, ['null:a+A@2']],
      ['l', 'k', 'zz', 3, ['k:zz+null@3']],
      ['r', 'a', null, 1, []],
      ['l', 'k', 'a', 4, ['k:a+null@4']],
      ['l', 'k', null, 5, []],
    ],
  },
  'a left join by a foreign key': {
    program: (builder) =>
      tableToOut(
        builder.table('l', read).leftJoin(builder.table('r', read), foreign, join, Materialized.as('m', { keySerde: text, valueSerde: text })),
      ),
    rows: [
      ['l', '1', 'a', 1, ['1:a+null@1']],
      ['r', 'a', 'A', 2, ['1:a+A@2']],
      ['l', '2', 'a', 3, ['2:a+A@3']],
      ['l', '1', 'b', 4, ['1:b+null@4']],
      ['r', 'a', 'B', 1, ['2:a+B@1']],
      ['l', '2', 'none', 5, ['2:none+null@5']],
      ['l', '2', null, 6, ['2:null@6']],
      ['r', 'a', null, 7, []],
      ['l', '1', null, 8, ['1:null@8']],
      ['l', '1', null, 9, []],
    ],
  },
  'an inner join by a foreign key': {
    program: (builder) => tableToOut(builder.table('l', read).join(builder.table('r', read), foreign, join)),
    rows: [
      ['l', '1', 'a', 1, []],
      ['r', 'a', 'A', 2, ['1:a+A@2']],
      ['l', '2', 'a', 3, ['2:a+A@3']],
      ['l', '1', 'b', 4, ['1:null@4']],
      ['r', 'a', 'B', 1, ['2:a+B@1']],
      ['l', '2', 'none', 5, ['2:null@5']],
      ['l', '2', 'a', 6, ['2:a+B@6']],
      ['r', 'a', null, 7, ['2:null@7']],
      ['l', '1', null, 8, ['1:null@8']],
    ],
  },
}

describe('Windows that close, and joins,', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(`give the results of Kafka Streams 4.3.1: ${name}`, () => holds(scenario))
    it(`give the results of Kafka Streams 4.3.1 when they are killed after each record: ${name}`, () => holds(scenario, { killed: true }))
  }
})

describe('A window that closes on a far jump of time', () => {
  const closing = (windows: TimeWindows | SlidingWindows, cacheMaxBytes: number) =>
    new TextProgram((builder) => tableToOut(builder.stream('in', read).groupByKey().windowedBy(windows).emitStrategy(onClose).count()), {
      cacheMaxBytes,
      defaultKeySerde: text,
      defaultValueSerde: text,
    })
  const rows: readonly Row[] = [
    ['in', 'a', 'x', 5],
    ['in', 'b', 'x', 500_000],
  ]

  it('is emitted with a cache, even after a crash', async () => {
    await using program = closing(TimeWindows.ofSizeAndGrace(10, 5), 1_000)
    assert.deepEqual(await program.after(...rows), ['a[0,10]:1@5'])
    await program.driver.crash()
    assert.deepEqual(await program.after(['in', 'c', 'x', 900_000]), ['b[500000,500010]:1@500000'])
    assert.deepEqual(await program.after(['in', 'c', 'x', 900_001]), [])
  })

  it('is lost without a cache, and always lost if it is a sliding window, as in Kafka Streams', async () => {
    await using uncached = closing(TimeWindows.ofSizeAndGrace(10, 5), 0)
    assert.deepEqual(await uncached.after(...rows), [])
    await using sliding = closing(SlidingWindows.ofTimeDifferenceAndGrace(10, 5), 1_000)
    assert.deepEqual(await sliding.after(...rows), [])
  })
})

describe('An update of a session', () => {
  const headersOf = async (cacheMaxBytes: number) => {
    await using program = new TextProgram(
      (builder) => tableToOut(builder.stream('in', read).groupByKey().windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5)).count()),
      { cacheMaxBytes, defaultKeySerde: text, defaultValueSerde: text },
    )
    const headers = [{ key: 'h', value: Buffer.from('x') }]
    await program.driver.createInputTopic('in', text, text).pipeInput({ key: 'k', value: 'v', timestamp: 1, headers })
    return program.driver
      .createOutputTopic('out', text, text)
      .readRecord()
      .headers.map(({ key }) => key)
  }

  it('has its record’s headers if a cache holds the update back, and none if the update is forwarded at once', async () => {
    assert.deepEqual(await headersOf(1_000), ['h'])
    assert.deepEqual(await headersOf(0), [])
  })
})
