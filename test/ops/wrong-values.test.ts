import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as waggle from 'waggle-streams'
import { Consumed, KeyQuery, Produced, Serdes, Stores, Streams, StreamsBuilder, type Topology, WaggleError } from 'waggle-streams'
import * as testing from 'waggle-streams/testing'

const text = Serdes.string()
const wrongs: readonly unknown[] = [
  undefined,
  null,
  true,
  7,
  Number.NaN,
  -1,
  'text',
  Symbol('s'),
  () => 'x',
  {},
  [],
  [7],
  [null],
  [[null, null]],
  [{ key: 'a', value: 'b', headers: 7 }],
  { key: 'a', value: 'b', headers: [null] },
  { kafka: null },
  { store: 'kv', query: null },
  { store: 'kv', query: {} },
  /x/,
  new Date(0),
]

/** Classes with a public constructor. The others are made by their static methods. */
const constructed = new Set(['Streams', 'StreamsBuilder', 'Topology', 'TopologyTestDriver'])

/**
 * Functions whose arguments only the compiler checks, because Waggle itself or error-handling code calls them. `fromTopic` and `merged` are not
 * public.
 */
const leftToTheCompiler = /^(WaggleError|Refused|ErrorInput|TimestampExtractors)\b|^GlobalKTable\.fromTopic$|\.merged$/

/** Correct arguments, for methods that check a later argument only if the earlier arguments are correct. */
const right: { readonly [name: string]: readonly unknown[] } = {
  'Serdes.timeWindowed': [text, 5],
  'TopologyTestDriver.createInputTopic': ['in', text, text],
  'TopologyTestDriver.createOutputTopic': ['out', text, text],
  'Streams.send': ['in', { key: 'a', value: 'b' }, Produced.with(text, text)],
  'Streams.records': ['in', Consumed.with(text, text)],
  'Streams.query': [{ store: 'kv', query: KeyQuery.withKey('a') }],
  'WindowStore.put': ['a', 'b', 1],
  'WindowStore.fetch': ['a', 1, 2],
  'SessionStore.put': [{ key: 'a', window: { start: 1, end: 2 } }, 'b'],
  'SessionStore.findSessions': ['a', 1, 2],
  'VersionedKeyValueStore.put': ['a', 'b', 1],
  'KeyValueStore.range': ['a', 'b'],
  'KeyValueStore.prefixScan': ['a', text],
}

interface AnySerde {
  serialize(topic: string, value: never): Uint8Array
  deserialize(topic: string, data: Uint8Array): unknown
}

type Callable = (...args: readonly unknown[]) => unknown

describe('A public function that is called with a wrong value', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-wrong-'))
  const topology = topologyOfStores()
  const driver = new testing.TopologyTestDriver(topology)
  const streams = new Streams(topology, { applicationId: 'wrong', log: 'embedded', stateDir: directory })
  after(async () => {
    await driver.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const subjects: { readonly [name: string]: object } = {
    TopologyTestDriver: driver,
    TestInputTopic: driver.createInputTopic('in', text, text),
    TestOutputTopic: driver.createOutputTopic('out', text, text),
    KeyValueStore: driver.getKeyValueStore('kv'),
    WindowStore: driver.getWindowStore('windows'),
    SessionStore: driver.getSessionStore('sessions'),
    VersionedKeyValueStore: driver.getVersionedKeyValueStore('versions'),
    Streams: streams,
    ...Object.fromEntries(serdes().map(([name, serde]) => [`Serdes.${name}()`, onTopic(serde)])),
  }
  const untouched = new Set(['TopologyTestDriver.close', 'TopologyTestDriver.crash', 'Streams.start', 'Streams.close', 'Streams.cleanUp'])

  for (const [name, exported] of Object.entries({ ...waggle, ...testing })) {
    const isClass = typeof exported === 'function' && /^class\b/.test(Function.prototype.toString.call(exported))
    if (typeof exported === 'function' && (!isClass || constructed.has(name))) {
      it(`throws a WaggleError or accepts the value: ${isClass ? 'new ' : ''}${name}`, () =>
        callWithWrongs(name, isClass ? (...args) => Reflect.construct(exported as new () => object, args) : (exported as Callable)))
    }
    for (const method of methodsOf(exported)) {
      const title = `${name}.${method}`
      if (!leftToTheCompiler.test(title))
        it(`throws a WaggleError or accepts the value: ${title}`, () => callWithWrongs(title, (...args) => call(exported, method, args)))
    }
  }
  for (const [name, subject] of Object.entries(subjects)) {
    for (const method of methodsOf(subject)) {
      const title = `${name}.${method}`
      if (!untouched.has(title) && !leftToTheCompiler.test(title))
        it(`throws a WaggleError or accepts the value: ${title}`, () => callWithWrongs(title, (...args) => call(subject, method, args)))
    }
  }

  it('is covered for each kind of function in the package', () => {
    assert.ok(
      methodsOf(waggle.Serdes).includes('list') && methodsOf(driver).includes('createInputTopic') && methodsOf(waggle.KeyQuery).includes('withKey'),
    )
  })
})

/** Calls a function with each wrong value as each of its arguments. Fails if it throws an error other than a WaggleError. */
async function callWithWrongs(title: string, one: Callable): Promise<void> {
  const usual = right[title] ?? []
  for (let at = 0; at < Math.max(4, usual.length); at++) {
    for (const wrong of wrongs) {
      const args = Array.from({ length: Math.max(at + 1, usual.length) }, (_, place) => (place === at ? wrong : usual[place]))
      try {
        consume(await one(...args))
      } catch (error) {
        assert.ok(
          error instanceof WaggleError,
          `${title}(${args.map(String).join(', ')}) throws ${error instanceof Error ? error.stack : String(error)}`,
        )
      }
    }
  }
}

/** Reads all values of an iterable, because it may compute during the reading. */
function consume(result: unknown): void {
  if (result !== null && typeof result === 'object' && Symbol.iterator in result) for (const _ of result as Iterable<unknown>);
}

function call(on: unknown, method: string, args: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(on as object, method) as Callable, on, args)
}

function methodsOf(subject: unknown): readonly string[] {
  const names = new Set<string>()
  for (let one: unknown = subject; isOwner(one); one = Object.getPrototypeOf(one)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(one)))
      if (typeof value === 'function' && name !== 'constructor') names.add(name)
  }
  return [...names]
}

function isOwner(one: unknown): one is object {
  return one !== null && (typeof one === 'object' || typeof one === 'function') && one !== Object.prototype && one !== Function.prototype
}

/** The functions of a serde, for one topic. */
function onTopic(serde: AnySerde): object {
  return {
    serialize: (value: never) => serde.serialize('topic', value),
    deserialize: (data: Uint8Array) => serde.deserialize('topic', data),
  }
}

function serdes(): readonly (readonly [string, AnySerde])[] {
  const simple = ['string', 'boolean', 'bytes', 'uuid', 'short', 'integer', 'float', 'double', 'long', 'bigLong', 'void', 'json'] as const
  return [
    ...simple.map((name) => [name, Serdes[name]()] as const),
    ['list', Serdes.list(text)],
    ['timeWindowed', Serdes.timeWindowed(text, 5)],
    ['sessionWindowed', Serdes.sessionWindowed(text)],
  ]
}

function topologyOfStores(): Topology {
  const builder = new StreamsBuilder()
  builder.stream('in', Consumed.with(text, text)).to('out', Produced.with(text, text))
  builder.addStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('kv'), text, text))
  builder.addStateStore(Stores.windowStoreBuilder(Stores.inMemoryWindowStore('windows', { retentionMs: 100, windowSizeMs: 10 }), text, text))
  builder.addStateStore(Stores.sessionStoreBuilder(Stores.inMemorySessionStore('sessions', { retentionMs: 100 }), text, text))
  builder.addStateStore(
    Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore('versions', { historyRetentionMs: 100 }), text, text),
  )
  const stores = ['kv', 'windows', 'sessions', 'versions']
  builder.stream('stored', Consumed.with(text, text)).process(() => ({ process() {} }), { stores })
  return builder.build()
}
