import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  type KeyValueStore,
  Materialized,
  type ProcessorContext,
  Produced,
  Serdes,
  Stores,
  Streams,
  StreamsBuilder,
  TimeWindows,
  type ValueAndTimestamp,
} from 'waggle-streams'

const text = Serdes.string()
const written = Produced.with(text, text)

/** Builds a program that puts each record of `in` into the store `kept`, and forwards the row that was there before. */
type Program = (builder: StreamsBuilder) => void

const plain: Program = (builder) => {
  builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('kept'), text, text))
  putInto<string>(
    builder,
    (value) => value,
    (held) => held,
  )
}

const timed: Program = (builder) => {
  builder.addStateStore(Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('kept'), text, text))
  putInto<ValueAndTimestamp<string>>(
    builder,
    (value) => ({ value, timestamp: 5 }),
    (held) => `${held.value} at ${held.timestamp}`,
  )
}

const versioned: Program = (builder) => {
  builder.table('in', Consumed.with(text, text), Materialized.as(Stores.persistentVersionedKeyValueStore('kept', { historyRetentionMs: 60_000 })))
}

const windowed: Program = (builder) => {
  const groups = builder.stream('in', Consumed.with(text, text)).groupByKey(Grouped.with(text, text))
  groups.windowedBy(TimeWindows.ofSizeWithNoGrace(10)).count(Materialized.as('kept', { retentionMs: 1000 }))
}

function putInto<V>(builder: StreamsBuilder, held: (value: string) => V, said: (held: V) => string): void {
  builder
    .stream('in', Consumed.with(text, text))
    .process<string, string>(
      () => {
        let context: ProcessorContext<string, string>
        return {
          init(opened) {
            context = opened
          },
          process({ key, value, ...record }) {
            const store = context.getStateStore<KeyValueStore<string, V>>('kept')
            const before = store.get(key ?? '')
            context.forward({ ...record, key: key ?? '', value: before === null ? 'nothing' : said(before) })
            store.put(key ?? '', held(value ?? ''))
          },
        }
      },
      { stores: ['kept'] },
    )
    .to('out', written)
}

describe('A store of the embedded log whose kind has changed', () => {
  let stateDir: string
  let sent = 0
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'waggle-formats-'))
    sent = 0
  })
  afterEach(() => rmSync(stateDir, { recursive: true }))

  function started(program: Program): Promise<Streams> {
    const builder = new StreamsBuilder()
    program(builder)
    const streams = new Streams(builder.build(), { applicationId: 'shop', log: 'embedded', stateDir, commitIntervalMs: 5 })
    return streams.start().then(() => streams)
  }

  /** The last output of the program after a record. */
  async function put(program: Program, value: string): Promise<string | null> {
    const streams = await started(program)
    await streams.send('in', { key: 'a', value }, written)
    sent++
    let last: string | null = null
    let count = 0
    for await (const { value: output } of streams.records('out', Consumed.with(text, text))) {
      last = output
      if (++count === sent) break
    }
    await streams.close()
    return last
  }

  it('keeps its values, with the timestamp -1, if only timestamps were added, as in Kafka Streams', async () => {
    assert.equal(await put(plain, 'one'), 'nothing')
    assert.equal(await put(timed, 'two'), 'one at -1')
    assert.equal(await put(timed, 'three'), 'two at 5')
  })

  for (const [kind, program] of [
    ['versioned', versioned],
    ['window', windowed],
  ] as const) {
    it(`is refused as a ${kind} store, with an error that names its old kind, and can still be used as that kind`, async () => {
      await put(plain, 'one')
      await assert.rejects(started(program), {
        code: 'WAGGLE_STORE_DIFFERS',
        message: new RegExp(`store kept of shop has rows of a key-value store, and is now a ${kind} store`),
        next: /another name.*waggle reset --application shop/,
      })
      assert.equal(await put(plain, 'two'), 'one')
    })
  }

  it('is refused if its values would lose their timestamps', async () => {
    await put(timed, 'one')
    await assert.rejects(started(plain), {
      code: 'WAGGLE_STORE_DIFFERS',
      message: /a key-value store \(with times\), and is now a key-value store, /,
    })
  })

  it('is accepted if it is empty', async () => {
    await (await started(plain)).close()
    await (await started(versioned)).close()
    await (await started(windowed)).close()
  })
})
