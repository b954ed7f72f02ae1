import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Grouped, Joined, type KTable, Materialized, Repartitioned, StreamsBuilder, TableJoined, TimeWindows } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, TextProgram, tableToOut, text, toOut } from '../../support/text-program.ts'

const join = (left: string | null, right: string | null) => `${left}+${right}`
const kept = (name: string) => Materialized.as<string, string, 'keyValue'>(name, { keySerde: text, valueSerde: text })

describe('A table of the DSL', () => {
  it('has a queryable name if its store is named, and always if it is global', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream('s', read)
    const table = builder.table('a', read)
    const named = builder.table('b', read, Materialized.as('named'))
    const names = (tables: readonly { readonly queryableStoreName: string | null }[]) => tables.map(({ queryableStoreName }) => queryableStoreName)
    const of = <K, V>(one: KTable<K, V>) => one
    assert.deepEqual(
      names([
        table,
        named,
        named.filter(() => true),
        named.filter(() => true, Materialized.as('filtered')),
        table.mapValues((value) => value, Materialized.with(text, text)),
        table.join(named, join),
        table.join(named, join, kept('joined')),
        table.join(named, (value) => value, join),
        of(stream.toTable()),
        of(stream.groupByKey().count()),
        of(stream.groupByKey().count(Materialized.as('counted'))),
        stream.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1)).count(Materialized.as('windowed')),
        builder.globalTable('g', read, Materialized.as('global')),
      ]),
      [null, 'named', null, 'filtered', null, null, 'joined', null, null, null, 'counted', 'windowed', 'global'],
    )
    assert.match(builder.globalTable('h', read).queryableStoreName ?? '', /^h-STATE-STORE-\d{10}$/)
  })

  it('is stored with the rows of its last step, under the name that this step gives', async () => {
    const builder = new StreamsBuilder()
    const table = builder.table('a', read, Materialized.as('source'))
    table.filter((_, value) => value !== 'x', Materialized.as('filtered'))
    table.mapValues((value) => `${value}!`, kept('mapped'))
    table.groupBy((key, value) => [value, key] as const, Grouped.with(text, text)).count(Materialized.as('counted'))
    table.leftJoin(builder.table('b', read), join, kept('joined'))
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('a', text, text)
    for (const [key, value] of [
      ['k', 'v'],
      ['l', 'x'],
      ['m', 'v'],
      ['k', 'x'],
      ['l', null],
    ] as const)
      await input.pipeInput(key, value)
    const rows = (store: string) => [...driver.getKeyValueStore<string, unknown>(store).all()]
    const pair = (key: string, value: unknown) => [key, value]
    assert.deepEqual(rows('source'), [pair('k', 'x'), pair('m', 'v')])
    assert.deepEqual(rows('filtered'), [pair('m', 'v')])
    assert.deepEqual(rows('mapped'), [pair('k', 'x!'), pair('m', 'v!')])
    assert.deepEqual(rows('counted'), [pair('v', 1), pair('x', 1)])
    assert.deepEqual(rows('joined'), [pair('k', 'x+null'), pair('m', 'v+null')])
  })

  it('joins by a foreign key over partitions that a custom partitioner chooses (KIP-775)', async () => {
    const asked: unknown[] = []
    const byLength = (topic: string, key: string | null, value: unknown, partitions: number) => {
      asked.push([topic, key, value, partitions])
      return (key ?? '').length % partitions
    }
    await using program = new TextProgram(
      (builder) => {
        const tableOf = (topic: string) => {
          const partitioner = (_: string, key: string | null, _value: string | null, partitions: number) => (key ?? '').length % partitions
          return builder
            .stream(topic, read)
            .repartition(Repartitioned.with(text, text, { name: topic, partitioner, numberOfPartitions: 2 }))
            .toTable()
        }
        const joined = TableJoined.with(byLength, byLength, { name: 'fk' })
        tableToOut(tableOf('left').join(tableOf('right'), (value) => value, join, Materialized.with(text, text), joined))
      },
      { applicationId: 'app' },
    )
    const out = await program.after(['left', 'a', 'xx', 1], ['left', 'bb', 'y', 1], ['right', 'xx', 'X', 2], ['right', 'y', 'Y', 3])
    assert.deepEqual(out, ['a:xx+X@2', 'bb:y+Y@3'])
    assert.deepEqual(asked, [
      ['app-fk-subscription-registration-topic', 'xx', null, 2],
      ['app-fk-subscription-registration-topic', 'y', null, 2],
      ['app-fk-subscription-response-topic', 'a', null, 2],
      ['app-fk-subscription-response-topic', 'bb', null, 2],
    ])
  })

  it('joins by a foreign key that is computed from its key (KIP-1104)', async () => {
    await using program = new TextProgram((builder) =>
      tableToOut(builder.table('left', read).join(builder.table('right', read), (_, key) => key.slice(0, 1), join, Materialized.with(text, text))),
    )
    assert.deepEqual(await program.after(['right', 'a', 'A', 1], ['left', 'a1', 'x', 2], ['left', 'b1', 'y', 3]), ['a1:x+A@2'])
  })

  it('refuses a join with a negative grace period', () => {
    assert.throws(() => Joined.with(text, text, text, { gracePeriodMs: -1 }), { code: 'WAGGLE_INVALID_WINDOW' })
  })
})

describe('The headers of a record', () => {
  it('are kept on all results of the record: counts, joins, tables, and across internal topics', async () => {
    await using program = new TextProgram(
      (builder) => {
        const stream = builder.stream('in', read)
        tableToOut(stream.groupByKey().count())
        toOut(stream.leftJoin(builder.table('table', read), join))
        tableToOut(stream.groupBy((_, value) => value, Grouped.with(text, text)).reduce(join))
        tableToOut(stream.toTable())
      },
      { defaultKeySerde: text, defaultValueSerde: text },
    )
    const headers = [{ key: 'h', value: Buffer.from('1') }]
    await program.driver.createInputTopic('in', text, text).pipeInput({ key: 'k', value: 'v', timestamp: 1, headers })
    const out = program.driver.createOutputTopic('out', text, text).readRecordsToList()
    assert.deepEqual(
      out.map(({ value, headers: given }) => [value, given]),
      ['1', 'v+null', 'v', 'v'].map((value) => [value, headers]),
    )
  })
})

describe('The partitions of a topic', () => {
  it('are chosen by the key as Java’s producer does, and one task counts each partition', async () => {
    const builder = new StreamsBuilder()
    const tasks = new Map<string, Set<string>>()
    builder
      .stream('in', read)
      .processValues<string | null>(() => {
        let taskId = ''
        return {
          init(context) {
            taskId = context.taskId
          },
          process({ key }) {
            tasks.set(taskId, (tasks.get(taskId) ?? new Set()).add(key ?? ''))
          },
        }
      })
      .to('nowhere', undefined)
    builder.stream('in', read).groupByKey().count(Materialized.as('counts'))
    await using driver = new TopologyTestDriver(builder.build(), { partitions: { in: 4 }, defaultValueSerde: text })
    const input = driver.createInputTopic('in', text, text)
    for (const key of ['a', 'b', 'c', 'd', 'e', 'a']) await input.pipeInput(key, 'x')
    assert.ok(tasks.size > 1)
    assert.equal(
      [...tasks.values()].reduce((sum, keys) => sum + keys.size, 0),
      5,
    )
    const counts = driver.getKeyValueStore<string, number>('counts')
    const expected = Object.entries({ a: 2, b: 1, c: 1, d: 1, e: 1 })
    assert.deepEqual([...counts.all()], expected)
    assert.deepEqual([...counts.all({ reverse: true })], [...expected].reverse())
    await driver.crash()
    await input.pipeInput('e', 'x')
    assert.equal(driver.getKeyValueStore<string, number>('counts').get('e'), 2)
    assert.throws(() => driver.getKeyValueStore('nothing'), { code: 'WAGGLE_STORE_UNKNOWN', next: /counts/ })
    assert.throws(() => driver.getWindowStore('counts'), { code: 'WAGGLE_STORE_UNKNOWN' })
  })
})

describe('The grouping of a table', () => {
  it('skips a row if the selector returns null, or a pair with null, and removes the row from its old group', async () => {
    const pairs: { readonly [value: string]: readonly [string | null, string | null] | null } = { none: null, nokey: [null, 'v'], noval: ['k', null] }
    await using program = new TextProgram((builder) => {
      const table = builder.table('in', read)
      const group = (_: string, value: string) => (value in pairs ? pairs[value] : ['k', value]) as [string, string]
      const grouped = table.groupBy(group, Grouped.with(text, text))
      tableToOut(grouped.count())
    })
    const out: (readonly string[])[] = []
    for (const value of ['x', 'none', 'y', 'nokey', 'z', 'noval', 'none']) out.push(await program.after(['in', '1', value, 0]))
    assert.deepEqual(out, [['k:1@0'], ['k:0@0'], ['k:1@0'], ['k:0@0'], ['k:1@0'], ['k:0@0'], []])
  })
})
