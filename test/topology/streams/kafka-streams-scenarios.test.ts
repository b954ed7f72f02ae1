import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BufferConfig,
  Grouped,
  JoinWindows,
  Materialized,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  type StreamsBuilder,
  Suppressed,
  TimeWindows,
  UnlimitedWindows,
} from 'waggle-streams'
import { holds, type Scenario } from '../../support/scenario.ts'
import { read, TextProgram, tableToOut, text, toOut } from '../../support/text-program.ts'

const join = (left: string | null, right: string | null) => `${left}+${right}`
const concat = (sum: string, value: string) => sum + value
/** Adds a value to the sum. The value x deletes the sum. */
const orDelete = (_: string, value: string, sum: string) => (value === 'x' ? null : sum + value)
const grouped = (builder: StreamsBuilder) => builder.stream('in', read).groupByKey()
const kept = Materialized.with(text, text)
const never = (value: string) => (value === 'x' ? null : `${value}!`)
const notX = (_: string, value: string) => value !== 'x'
const initial = (value: string) => value.slice(0, 1)
const late = TimeWindows.ofSizeAndGrace(10, 20)

const inputs = (...rows: readonly (readonly [key: string, value: string | null, timestamp: number, out: readonly string[]])[]): Scenario['rows'] =>
  rows.map(([key, value, timestamp, out]) => ['in', key, value, timestamp, out])

const filtered = inputs(
  ['k', 'x', 1, ['k:null@1']],
  ['k', 'a', 2, ['k:a@2']],
  ['k', 'x', 3, ['k:null@3']],
  ['k', 'x', 4, ['k:null@4']],
  ['k', null, 5, ['k:null@5']],
  ['k', 'a', 6, ['k:a@6']],
  ['k', null, 7, ['k:null@7']],
)

const mapped = inputs(
  ['k', 'x', 1, ['k:null@1']],
  ['k', 'a', 2, ['k:a!@2']],
  ['k', 'x', 3, ['k:null@3']],
  ['k', null, 4, ['k:null@4']],
  ['k', null, 5, ['k:null@5']],
)

const lateWindows = inputs(
  ['k', 'a', 5, ['k[0,10]:1@5']],
  ['k', 'b', 29, ['k[20,30]:1@29']],
  ['k', 'c', 5, ['k[0,10]:2@5']],
  ['k', 'c', 30, ['k[30,40]:1@30']],
  ['k', 'c', 9, []],
  ['k', 'z', 100000, ['k[100000,100010]:1@100000']],
  ['k', 'y', 99980, ['k[99980,99990]:1@99980']],
  ['k', 'y', 99979, []],
)

const sessions = inputs(
  ['k', 'a', 5, ['k[5,5]:1@5']],
  ['k', 'b', 14, ['k[5,5]:null@5', 'k[5,14]:2@14']],
  ['k', 'c', 30, ['k[30,30]:1@30']],
  ['k', 'c', 20, ['k[5,14]:null@14', 'k[30,30]:null@30', 'k[5,30]:4@30']],
  ['j', 'z', 70, ['j[70,70]:1@70']],
  ['k', 'd', 45, ['k[45,45]:1@45']],
  ['k', 'd', 39, ['k[45,45]:null@45', 'k[39,45]:2@45']],
)

const outerJoin: Scenario['rows'] = [
  ['l', 'k', 'a', 5, []],
  ['r', 'k', 'A', 7, ['k:a+A@7']],
  ['l', 'k', 'b', 16, ['k:b+A@16']],
  ['r', 'j', 'B', 40, []],
  ['l', 'k', 'c', 30, []],
  ['r', 'k', 'C', 35, ['k:c+C@35']],
  ['l', 'k', 'd', 20, ['k:d+null@20']],
  ['r', 'x', 'D', 100, ['j:null+B@40']],
  ['l', 'x', 'e', 90, ['x:e+D@100']],
]

const scenarios: { readonly [name: string]: Scenario } = {
  'an unlimited window that starts late': {
    program: (builder) => tableToOut(grouped(builder).windowedBy(UnlimitedWindows.of().startOn(10)).count()),
    rows: inputs(
      ['k', 'a', 5, []],
      ['k', 'b', 10, ['k[10,9007199254740991]:1@10']],
      ['k', 'c', 1e12, ['k[10,9007199254740991]:2@1000000000000']],
      ['k', 'd', 10, ['k[10,9007199254740991]:3@1000000000000']],
      ['j', 'd', 11, ['j[10,9007199254740991]:1@11']],
    ),
  },
  'a reduction over an unlimited window': {
    program: (builder) => tableToOut(grouped(builder).windowedBy(UnlimitedWindows.of()).reduce(concat)),
    rows: inputs(
      ['k', 'a', 5, ['k[0,9007199254740991]:a@5']],
      ['k', 'b', 10, ['k[0,9007199254740991]:ab@10']],
      ['k', 'c', 1e12, ['k[0,9007199254740991]:abc@1000000000000']],
      ['k', 'd', 10, ['k[0,9007199254740991]:abcd@1000000000000']],
    ),
  },
  'an aggregate that is deleted': {
    program: (builder) => tableToOut(grouped(builder).aggregate(() => '', orDelete, kept)),
    rows: inputs(
      ['k', 'a', 5, ['k:a@5']],
      ['k', 'b', 6, ['k:ab@6']],
      ['k', 'x', 3, ['k:null@6']],
      ['k', 'c', 4, ['k:c@4']],
      ['k', 'x', 9, ['k:null@9']],
      ['k', 'x', 10, ['k:null@10']],
    ),
  },
  'a reduction that is deleted': {
    program: (builder) => tableToOut(grouped(builder).reduce((sum, value) => (value === 'x' ? null : sum + value))),
    rows: inputs(['k', 'x', 4, ['k:x@4']], ['k', 'a', 5, ['k:xa@5']], ['k', 'x', 3, ['k:null@5']], ['k', 'c', 4, ['k:c@4']]),
  },
  'a window’s aggregate that is deleted': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(late)
          .aggregate(() => '', orDelete, kept),
      ),
    rows: inputs(
      ['k', 'a', 5, ['k[0,10]:a@5']],
      ['k', 'x', 6, ['k[0,10]:null@6']],
      ['k', 'x', 7, ['k[0,10]:null@7']],
      ['k', 'c', 4, ['k[0,10]:c@4']],
    ),
  },
  'a session’s aggregate that is deleted': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 20))
          .aggregate(
            () => '',
            orDelete,
            (_, left, right) => left + right,
            kept,
          ),
      ),
    rows: inputs(
      ['k', 'a', 5, ['k[5,5]:a@5']],
      ['k', 'x', 6, ['k[5,5]:null@5', 'k[5,6]:null@6']],
      ['k', 'x', 7, ['k[7,7]:null@7']],
      ['k', 'c', 4, ['k[4,4]:c@4']],
    ),
  },
  'a sliding window’s aggregate that is deleted': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(10, 20))
          .aggregate(() => '', orDelete, kept),
      ),
    rows: inputs(
      ['k', 'a', 5, ['k[0,10]:a@5']],
      ['k', 'x', 6, ['k[6,16]:null@6', 'k[0,10]:null@6']],
      ['k', 'x', 7, ['k[0,10]:null@7']],
      ['k', 'c', 4, ['k[0,10]:c@4']],
    ),
  },
  'late records of windows in RocksDB': {
    program: (builder) => tableToOut(grouped(builder).windowedBy(late).count(Materialized.as('w'))),
    rows: lateWindows,
  },
  'late records of windows in memory': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(late)
          .count(Materialized.as(Stores.inMemoryWindowStore('w', { retentionMs: 30, windowSizeMs: 10 }))),
      ),
    rows: lateWindows,
  },
  'late records of windows in memory, as a setting': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(late)
          .count(Materialized.as('w', { storeType: 'inMemory', retentionMs: 30 })),
      ),
    rows: lateWindows,
  },
  'sessions in RocksDB': {
    program: (builder) => tableToOut(grouped(builder).windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 20)).count(Materialized.as('w'))),
    rows: sessions,
  },
  'sessions in memory': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 20))
          .count(Materialized.as(Stores.inMemorySessionStore('w', { retentionMs: 30 }))),
      ),
    rows: sessions,
  },
  'an outer join of streams in RocksDB': {
    program: (builder) =>
      toOut(
        builder
          .stream('l', read)
          .outerJoin(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text)),
      ),
    rows: outerJoin,
  },
  'an outer join of streams in memory': {
    program(builder) {
      const options = { retentionMs: 20, windowSizeMs: 20, retainDuplicates: true }
      const stores = { thisStore: Stores.inMemoryWindowStore('a', options), otherStore: Stores.inMemoryWindowStore('b', options) }
      const joined = StreamJoined.with(text, text, text, stores)
      toOut(builder.stream('l', read).outerJoin(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceWithNoGrace(10), joined))
    },
    rows: outerJoin,
  },
  'a table’s filter': { program: (builder) => tableToOut(builder.table('in', read).filter(notX)), rows: filtered },
  'a table’s filter with a store': { program: (builder) => tableToOut(builder.table('in', read).filter(notX, Materialized.as('f'))), rows: filtered },
  'the filter of a table with a store': {
    program: (builder) => tableToOut(builder.table('in', read, Materialized.as('s')).filter(notX)),
    rows: inputs(
      ['k', 'x', 1, []],
      ['k', 'a', 2, ['k:a@2']],
      ['k', 'x', 3, ['k:null@3']],
      ['k', 'x', 4, []],
      ['k', null, 5, []],
      ['k', 'a', 6, ['k:a@6']],
      ['k', null, 7, ['k:null@7']],
    ),
  },
  'a table’s values that become null': { program: (builder) => tableToOut(builder.table('in', read).mapValues(never, kept)), rows: mapped },
  'a table’s values that become null, with a store': {
    program: (builder) => tableToOut(builder.table('in', read).mapValues(never, Materialized.as('m', { keySerde: text, valueSerde: text }))),
    rows: mapped,
  },
  'a join of tables whose joiner returns null': {
    program: (builder) =>
      tableToOut(builder.table('l', read).join(builder.table('r', read), (left, right) => (left === 'n' ? null : join(left, right)))),
    rows: [
      ['l', 'k', 'a', 1, []],
      ['r', 'k', 'A', 5, ['k:a+A@5']],
      ['l', 'k', 'n', 3, ['k:null@5']],
      ['l', 'k', 'b', 4, ['k:b+A@5']],
      ['r', 'k', null, 2, ['k:null@4']],
      ['r', 'k', null, 9, ['k:null@9']],
      ['l', 'k', null, 1, []],
    ],
  },
  'an outer join of tables with a store': {
    program: (builder) =>
      tableToOut(builder.table('l', read).outerJoin(builder.table('r', read), join, Materialized.as('o', { keySerde: text, valueSerde: text }))),
    rows: [
      ['l', 'k', 'a', 1, ['k:a+null@1']],
      ['r', 'k', 'A', 5, ['k:a+A@5']],
      ['l', 'k', null, 3, ['k:null+A@5']],
      ['r', 'k', null, 2, ['k:null@2']],
      ['r', 'k', null, 9, []],
    ],
  },
  'a table’s repeated and late records': {
    program: (builder) => tableToOut(builder.table('in', read, Materialized.as('s'))),
    rows: inputs(
      ['k', 'a', 1, ['k:a@1']],
      ['k', 'a', 1, ['k:a@1']],
      ['k', 'b', 0, ['k:b@0']],
      ['k', null, 5, ['k:null@5']],
      ['k', null, 6, ['k:null@6']],
    ),
  },
  'a count of a table': {
    program: (builder) =>
      tableToOut(
        builder
          .table('in', read)
          .groupBy((_, value) => [value, value] as const, Grouped.with(text, text))
          .count(),
      ),
    rows: inputs(
      ['k', 'a', 5, ['a:1@5']],
      ['j', 'a', 3, ['a:2@5']],
      ['k', 'b', 1, ['a:1@5', 'b:1@1']],
      ['j', null, 9, ['a:0@9']],
      ['k', null, 0, ['b:0@1']],
    ),
  },
  'a reduction of a table': {
    program: (builder) =>
      tableToOut(
        builder
          .table('in', read)
          .groupBy((_, value) => [initial(value), value] as const, Grouped.with(text, text))
          .reduce(
            (sum, value) => `${sum}+${value}`,
            (sum, value) => `${sum}-${value}`,
          ),
      ),
    rows: inputs(
      ['k', 'a1', 5, ['a:a1@5']],
      ['k', 'a2', 3, ['a:a1-a1+a2@5']],
      ['k', 'b', 1, ['a:a1-a1+a2-a2@5', 'b:b@1']],
      ['k', 'b', 2, ['b:b-b+b@2']],
      ['k', null, 9, ['b:b-b+b-b@9']],
    ),
  },
  'a reduction of a table whose subtractor deletes': {
    program: (builder) =>
      tableToOut(
        builder
          .table('in', read)
          .groupBy((_, value) => [initial(value), value] as const, Grouped.with(text, text))
          .reduce(
            (sum, value) => `${sum}+${value}`,
            () => null,
          ),
      ),
    rows: inputs(
      ['k', 'a1', 5, ['a:a1@5']],
      ['j', 'a2', 3, ['a:a1+a2@5']],
      ['k', 'b', 1, ['a:null@5', 'b:b@1']],
      ['j', 'a3', 2, ['a:a3@2']],
      ['k', null, 9, ['b:null@9']],
    ),
  },
  'updates with a time limit': {
    program: (builder) => tableToOut(builder.table('in', read).suppress(Suppressed.untilTimeLimit(10, BufferConfig.unbounded()))),
    rows: inputs(
      ['k', 'a', 0, []],
      ['k', 'b', 5, []],
      ['j', 'c', 9, []],
      ['j', 'd', 10, ['k:b@5']],
      ['x', null, 19, ['j:d@10']],
      ['k', null, 30, ['x:null@19']],
      ['y', 'e', 40, ['k:null@30']],
    ),
  },
  'updates with a time limit of 0': {
    program: (builder) => tableToOut(builder.table('in', read).suppress(Suppressed.untilTimeLimit(0, BufferConfig.maxRecords(0)))),
    rows: inputs(['k', 'a', 0, ['k:a@0']], ['k', 'b', 5, ['k:b@5']], ['k', null, 3, ['k:null@3']]),
  },
  'updates in a buffer that is full': {
    program: (builder) => tableToOut(builder.table('in', read).suppress(Suppressed.untilTimeLimit(1000, BufferConfig.maxRecords(1)))),
    rows: inputs(['k', 'a', 0, []], ['k', 'b', 5, []], ['j', 'c', 9, ['k:b@5']], ['i', 'd', 10, ['j:c@9']]),
  },
  'windows that are held until they close': {
    program: (builder) =>
      tableToOut(
        grouped(builder).windowedBy(TimeWindows.ofSizeAndGrace(2, 1)).count().suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded())),
      ),
    rows: inputs(
      ['k1', 'v1', 0, []],
      ['k1', 'v1', 1, []],
      ['k1', 'v1', 2, []],
      ['k1', 'v1', 0, []],
      ['k1', 'v1', 5, ['k1[0,2]:3@1', 'k1[2,4]:1@2']],
      ['k1', 'v1', 0, []],
    ),
  },
  'sessions that are held until they close': {
    program: (builder) =>
      tableToOut(
        grouped(builder)
          .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(5))
          .count()
          .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded())),
      ),
    rows: inputs(['k1', 'v1', 0, []], ['k1', 'v1', 5, []], ['k2', 'v1', 11, ['k1[0,5]:2@5']], ['k1', 'v1', 30, ['k2[11,11]:1@11']]),
  },
}

describe('The scenarios of Kafka Streams 4.3.1', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(`give the same results, record by record: ${name}`, () => holds(scenario))
    it(`give the same results when they are killed after each record: ${name}`, () => holds(scenario, { killed: true }))
  }
})

describe('Windows, stores and buffers that Kafka Streams refuses', () => {
  const inMemory = (name: string, more: { retentionMs?: number; retainDuplicates?: boolean } = {}) =>
    Stores.inMemoryWindowStore(name, { retentionMs: 20, windowSizeMs: 20, retainDuplicates: true, ...more })
  const joined = (thisStore: ReturnType<typeof inMemory>, otherStore: ReturnType<typeof inMemory>) => (builder: StreamsBuilder) => {
    const stores = StreamJoined.with(text, text, text, { thisStore, otherStore })
    builder.stream('l', read).join(builder.stream('r', read), join, JoinWindows.ofTimeDifferenceWithNoGrace(10), stores)
  }
  const refused: { readonly [what: string]: readonly [(builder: StreamsBuilder) => void, RegExp] } = {
    'a join’s store of another retention': [joined(inMemory('a', { retentionMs: 30 }), inMemory('b')), /a keeps .* 30 ms/],
    'a join’s store that keeps no duplicates': [joined(inMemory('a', { retainDuplicates: false }), inMemory('b')), /a .*duplicates/],
    'a retention that is shorter than the windows and their grace': [
      (builder) =>
        grouped(builder)
          .windowedBy(late)
          .count(Materialized.as('w', { retentionMs: 29 })),
      /w .*29 ms/,
    ],
    'a retention that is shorter than twice a sliding window and its grace': [
      (builder) =>
        grouped(builder)
          .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(10, 20))
          .count(Materialized.as('w', { retentionMs: 39 })),
      /w .*39 ms/,
    ],
    'a retention that is shorter than a session’s gap and its grace': [
      (builder) =>
        grouped(builder)
          .windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 20))
          .count(Materialized.as('w', { retentionMs: 29 })),
      /w .*29 ms/,
    ],
  }
  for (const [what, [write, message]] of Object.entries(refused)) {
    it(`are refused by the call that gives them: ${what}`, async () => {
      assert.throws(() => new TextProgram(write), { code: 'WAGGLE_INVALID_WINDOW', message })
    })
  }

  it('are refused by the call that gives them: two stores of a join with the same name', () => {
    assert.throws(() => new TextProgram(joined(inMemory('a'), inMemory('a'))), {
      code: 'WAGGLE_STORE_EXISTS',
      message: /Both stores of a join are named a/,
    })
  })

  it('shut the program down: a full buffer that may not emit early', async () => {
    await using program = new TextProgram((builder) =>
      tableToOut(builder.table('in', read).suppress(Suppressed.untilTimeLimit(1000, BufferConfig.maxRecords(1).shutDownWhenFull()))),
    )
    assert.deepEqual(await program.after(['in', 'k', 'a', 0], ['in', 'k', 'b', 5]), [])
    await assert.rejects(program.pipe(['in', 'j', 'c', 9]), { code: 'WAGGLE_BUFFER_FULL', message: /KTABLE-SUPPRESS/ })
  })
})
