import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  Branched,
  BufferConfig,
  Consumed,
  Grouped,
  Joined,
  JoinWindows,
  Materialized,
  Named,
  Produced,
  Repartitioned,
  Serdes,
  SessionWindows,
  Stores,
  StreamJoined,
  StreamsBuilder,
  Suppressed,
  TableJoined,
  TimeWindows,
} from 'waggle-streams'
import { read, text } from '../../support/text-program.ts'

const cat = (left: unknown, right: unknown) => `${left}+${right}`
const long = Serdes.long()
const kept = Materialized.with(text, text)
const near = JoinWindows.ofTimeDifferenceWithNoGrace(5)
const streams = StreamJoined.with<string, string, string>
const done = () => {}
const noProcessor = () => ({ process: done })

/** The expected files contain Kafka Streams 4.3.1's descriptions of the same programs. */
const programs: { readonly [name: string]: (builder: StreamsBuilder) => void } = {
  named(builder) {
    const input = builder.stream('in', Consumed.with(text, text, { name: 'the-source' }))
    const table = builder.table('t', Consumed.with(text, text, { name: 'the-table' }), Materialized.as('t-store'))
    const global = builder.globalTable('g', Consumed.with(text, text, { name: 'the-global' }), Materialized.as('g-store'))
    const x = input
      .filter(() => true, Named.as('f'))
      .filterNot(() => false, Named.as('fn'))
      .mapValues((value) => value, Named.as('mv'))
      .flatMapValues((value) => [value], Named.as('fmv'))
      .flatMap((key, value) => [[key, value] as const], Named.as('fm'))
      .selectKey((key) => key, Named.as('sk'))
      .map((key, value) => [key, value] as const, Named.as('m'))
      .peek(done, Named.as('p'))
    x.foreach(done, Named.as('fe'))
    const rp = x.repartition(Repartitioned.with(text, text, { name: 'rp' }))
    rp.merge(input, Named.as('mg')).to('out1', Produced.with(text, text, { name: 'the-sink' }))
    rp.join(table, cat, Joined.with(text, text, text, { name: 'st-join' })).to('out2')
    rp.leftJoin(table, cat, Joined.with(text, text, text, { name: 'st-left' })).to('out3')
    rp.join(global, (key) => key, cat, Named.as('g-join'))
      .leftJoin(global, (key) => key, cat, Named.as('g-left'))
      .to('out4')
    x.join(input, cat, near, streams(text, text, text, { name: 'ss', storeName: 'ss-store' })).to('out5')
    x.outerJoin(input, cat, near, streams(text, text, text, { name: 'sso' })).to('out6')
    rp.leftJoin(input, cat, near, streams(text, text, text, { storeName: 'ssl-store' })).to('out7')
    rp.toTable(Materialized.as('tt-store'), Named.as('tt')).toStream(Named.as('ts')).to('out8')
    x.toTable(undefined, Named.as('tt2')).toStream().to('out9')
  },

  'named-groups'(builder) {
    const grouped = builder.stream('in', read).groupBy((_, value) => value, Grouped.with(text, text, { name: 'grp' }))
    grouped.count(Materialized.as('cnt-store'), Named.as('cnt')).toStream().to('o1', Produced.with(text, long))
    grouped.reduce(cat, Materialized.as('red-store'), Named.as('red')).toStream().to('o2')
    grouped
      .aggregate(() => '', cat, kept, Named.as('agg'))
      .toStream()
      .to('o3')
    grouped
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .count(undefined, Named.as('wcnt'))
      .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded(), Named.as('sup')))
      .toStream(Named.as('wts'))
      .foreach(done)
    grouped
      .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(10))
      .aggregate(() => '', cat, cat, kept, Named.as('sagg'))
      .toStream()
      .foreach(done)
  },

  'named-cogroups'(builder) {
    const input = builder.stream('in', read)
    input
      .groupBy((_, value) => value, Grouped.with(text, text, { name: 'grp' }))
      .cogroup<string>(cat)
      .cogroup(input.groupByKey(Grouped.with(text, text, { name: 'by-key' })), cat)
      .aggregate(() => '', kept, Named.as('co'))
      .toStream()
      .to('o4')
  },

  'named-cogroup-windows'(builder) {
    const input = builder.stream('in', read)
    input
      .groupBy((_, value) => value, Grouped.with(text, text))
      .cogroup<string>(cat)
      .cogroup(input.groupByKey(Grouped.with(text, text)), cat)
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .aggregate(() => '', Materialized.as('cow-store'), Named.as('cow'))
      .toStream()
      .foreach(done)
  },

  'named-tables'(builder) {
    const [t, u] = [builder.table('t', read), builder.table('u', read)]
    t.filter(() => true, Materialized.as('tf-store'), Named.as('tf'))
      .filterNot(() => false, undefined, Named.as('tfn'))
      .mapValues((value) => value, kept, Named.as('tmv'))
      .toStream()
      .to('o1')
    t.join(u, cat, Materialized.as('tj-store'), Named.as('tj')).leftJoin(u, cat, undefined, Named.as('tlj')).outerJoin(u, cat).toStream().to('o2')
    const partitioner = () => null
    t.join(u, (value) => value, cat, Materialized.as('fk-store'), TableJoined.with<string, string>(partitioner, partitioner, { name: 'fk' }))
      .toStream()
      .to('o3')
    t.leftJoin(u, (value) => value, cat)
      .toStream()
      .to('o4')
    const grouped = t.groupBy((key, value) => [value, key] as const, Grouped.with(text, text, { name: 'tg' }))
    grouped.count(Materialized.as('tgc-store'), Named.as('tgc')).toStream().to('o5', Produced.with(text, long))
    grouped.reduce(cat, cat).toStream().to('o6')
    t.suppress(Suppressed.untilTimeLimit(5, BufferConfig.unbounded())).toStream().to('o7')
    t.suppress(Suppressed.untilTimeLimit(5, BufferConfig.unbounded(), Named.as('tsup')))
      .toStream()
      .to('o8')
  },

  'process-names'(builder) {
    const input = builder.stream('in', read)
    builder.addStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('kv'), text, text))
    input.process<string, string>(noProcessor, { stores: ['kv'], named: Named.as('pr') }).to('o1')
    input
      .process<string, string>(noProcessor, { stores: ['kv'] })
      .groupByKey()
      .count()
      .toStream()
      .to('o2', Produced.with(text, long))
    input
      .processValues<string>(noProcessor, { named: Named.as('pv') })
      .groupByKey()
      .count()
      .toStream()
      .to('o3', Produced.with(text, long))
    input.processValues<string>(noProcessor).to('o4')
    const branches = input
      .split()
      .branch(() => true)
      .branch(() => true, Branched.as('-x'))
      .defaultBranch()
    for (const name of [...branches.keys()].sort()) branches.get(name)?.to('o5')
    // Java's program has a print at this place. The name takes the number of the print.
    input.merge(input).foreach(done, Named.as('KSTREAM-PRINTER-0000000024'))
  },
}

describe('The names that a program gets', () => {
  for (const [name, write] of Object.entries(programs)) {
    it(`are those of Kafka Streams for steps, stores and topics: ${name}`, () => {
      const builder = new StreamsBuilder()
      write(builder)
      const expected = readFileSync(join(import.meta.dirname, 'descriptions', `${name}.txt`), 'utf8')
      assert.equal(builder.build().describe().toString().trim(), expected.trim())
    })
  }
})

describe('The store that both sides of a left or outer join share', () => {
  const window = (name: string) => Stores.persistentWindowStore(name, { windowSizeMs: 20, retentionMs: 25, retainDuplicates: true })
  const windows = JoinWindows.ofTimeDifferenceAndGrace(10, 5)
  const storesOf = (kind: 'leftJoin' | 'outerJoin', options: { thisStore?: string; otherStore?: string; storeName?: string }) => {
    const builder = new StreamsBuilder()
    const [left, right] = [builder.stream('l', read), builder.stream('r', read)]
    const { thisStore, otherStore, storeName } = options
    const joined = streams(text, text, text, {
      ...(thisStore === undefined ? {} : { thisStore: window(thisStore) }),
      ...(otherStore === undefined ? {} : { otherStore: window(otherStore) }),
      ...(storeName === undefined ? {} : { storeName }),
    })
    if (kind === 'leftJoin') left.leftJoin(right, cat, windows, joined)
    else left.outerJoin(right, cat, windows, joined)
    return [...builder.build().stores.keys()]
  }

  it('is named after thisStore if thisStore is given, whatever storeName says', () => {
    assert.deepEqual(storesOf('leftJoin', { thisStore: 'a', otherStore: 'b' }), ['a', 'b', 'a-left-shared-join-store'])
    assert.deepEqual(storesOf('outerJoin', { thisStore: 'a', otherStore: 'b', storeName: 'named' }), ['a', 'b', 'a-outer-shared-join-store'])
    assert.deepEqual(storesOf('leftJoin', { thisStore: 'a', storeName: 'named' }), ['a', 'named-outer-other-join-store', 'a-left-shared-join-store'])
  })

  it('has the name from storeName, or without storeName a generated one, even if otherStore is given', () => {
    assert.deepEqual(storesOf('leftJoin', { otherStore: 'b', storeName: 'named' }), ['named-this-join-store', 'b', 'named-left-shared-join-store'])
    assert.deepEqual(storesOf('outerJoin', { otherStore: 'b' }), ['KSTREAM-OUTERTHIS-0000000004-store', 'b', 'KSTREAM-OUTERSHARED-0000000004-store'])
  })
})
