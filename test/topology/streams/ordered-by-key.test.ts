import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AsyncOptions, Consumed, Grouped, type KStream, Materialized, Produced, Serdes, StreamsBuilder, type Topology } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { propertyRuns } from '../../support/property-runs.ts'

const text = Serdes.string()
const written = Produced.with(text, text)
const byKey: AsyncOptions = { concurrency: 1000, timeoutMs: 1_000_000, ordered: 'key' }

/** Asynchronous calls that end when the test ends them. */
class Calls {
  #open: { readonly value: string; readonly end: () => void }[] = []

  readonly make = (value: string) =>
    new Promise<string>((resolve) => {
      this.#open.push({ value, end: () => resolve(`${value}!`) })
    })

  /** Ends the call for the value. Returns false if no call waits for it. */
  end(value: string): boolean {
    const found = this.#open.find((call) => call.value === value)
    this.#open = this.#open.filter((call) => call !== found)
    found?.end()
    return found !== undefined
  }

  /** Ends the open call at this index, modulo the number of open calls. */
  endOne(at: number): boolean {
    const call = this.#open[at % Math.max(1, this.#open.length)]
    return call !== undefined && this.end(call.value)
  }
}

function program(
  calls: Calls,
  steps: (stream: KStream<string, string>, calls: Calls) => KStream<string, string> = (stream) => stream.mapAsync(calls.make, byKey),
) {
  const builder = new StreamsBuilder()
  const input = builder.stream('in', Consumed.with(text, text).skipNullKeys().skipNullValues())
  steps(input, calls).to('out', written)
  // A second branch. None of its records may be written twice when a record is read again.
  input.to('copied', written)
  input.groupByKey(Grouped.with(text, text)).count(Materialized.as('counts')).toStream().to('counted', Produced.with(text, Serdes.long()))
  return builder.build()
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

function opened(topology: Topology) {
  const driver = new TopologyTestDriver(topology)
  const input = driver.createInputTopic('in', text, text)
  const out = driver.createOutputTopic('out', text, text)
  // `pipeInput` settles only when no call is in flight, so these tests do not await it.
  const send = (key: string, value: string) => void input.pipeInput(key, value)
  const go = async () => {
    void driver.advanceWallClockTime(0)
    await turns()
  }
  return { driver, send, go, values: () => out.readRecordsToList().map(({ value }) => value) }
}

describe('Results that are ordered by key', () => {
  it('overtake results of other keys, and no result of their own key', async () => {
    const calls = new Calls()
    const { driver, send, go, values } = opened(program(calls))
    await using _ = driver
    for (const value of ['a1', 'b1', 'a2', 'b2']) send(value.slice(0, 1), value)
    await go()
    calls.end('b1')
    calls.end('a2')
    await go()
    assert.deepEqual(values(), ['b1!'])
    calls.end('b2')
    await go()
    assert.deepEqual(values(), ['b2!'])
    calls.end('a1')
    await go()
    assert.deepEqual(values(), ['a1!', 'a2!'])
  })

  it('are not repeated after a crash if they were forwarded, even if an earlier record is read again', async () => {
    const calls = new Calls()
    const { driver, send, go, values } = opened(program(calls))
    await using _ = driver
    for (const value of ['a1', 'b1', 'c1']) send(value.slice(0, 1), value)
    await go()
    calls.end('b1')
    await go()
    assert.deepEqual(values(), ['b1!'])
    void driver.crash()
    await go()
    // Unfinished calls are made again. The calls of the old task are still open too.
    for (const value of ['a1', 'a1', 'c1', 'c1']) assert.ok(calls.end(value), value)
    assert.ok(!calls.end('b1'))
    await go()
    assert.deepEqual(values(), ['a1!', 'c1!'])
    assert.equal(driver.createOutputTopic('copied', text, text).readRecordsToList().length, 3)
    assert.equal(driver.getKeyValueStore<string, number>('counts').get('a'), 1)
  })

  it('leave stream time unchanged when their records are read again, even if the timestamp extractor returns another time', async () => {
    const calls = new Calls()
    let time = 10
    const builder = new StreamsBuilder()
    const input = builder.stream('in', Consumed.with(text, text, { timestampExtractor: () => time }))
    input.mapAsync((value) => calls.make(value ?? ''), byKey).to('out', written)
    const times: number[] = []
    input.process(() => {
      let now = () => -1
      return {
        init(context) {
          now = () => context.currentStreamTime
        },
        process: () => void times.push(now()),
      }
    })
    const { driver, send, go, values } = opened(builder.build())
    await using _ = driver
    send('a', 'a1')
    await go()
    time = 100
    void driver.crash()
    await go()
    time = 50
    send('b', 'b1')
    await go()
    while (calls.endOne(0));
    await go()
    assert.deepEqual(times, [10, 50])
    assert.deepEqual(values(), ['a1!', 'b1!'])
  })

  const shapes: { readonly [name: string]: Parameters<typeof program>[1] } = {
    'one call for each record': (stream, calls) => stream.mapAsync(calls.make, byKey),
    'calls in batches': (stream, calls) =>
      stream
        .batch({ size: 3, timeoutMs: 1_000_000, release: 'idle' })
        .mapAsync((values) => Promise.all(values.map(calls.make)), { ...byKey, concurrency: 2 }),
    'several calls for each record': (stream, calls) => stream.flatMapValues((value) => [`${value}x`, `${value}y`]).mapAsync(calls.make, byKey),
    'two asynchronous steps in a row': (stream, calls) => stream.mapAsync(calls.make, byKey).mapAsync(calls.make, byKey),
    'ordered by partition': (stream, calls) => stream.mapAsync(calls.make, { ...byKey, ordered: 'partition' }),
  }
  for (const [name, shape] of Object.entries(shapes)) {
    it(`come once for each record and in order, whichever call ends first and wherever the program crashes: ${name}`, async () => {
      const acts = fc.array(
        fc.oneof(
          { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), key: fc.constantFrom('a', 'b', 'c') }) },
          { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat({ max: 20 }) }) },
          { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
        ),
        { minLength: 5, maxLength: 60 },
      )
      await fc.assert(
        fc.asyncProperty(acts, async (list) => {
          let calls = new Calls()
          const indirect = { make: (value: string) => calls.make(value) } as Calls
          const { driver, send, go } = opened(program(indirect, shape))
          const sent: { readonly key: string; readonly value: string }[] = []
          for (const act of list) {
            if (act.do === 'send') {
              sent.push({ key: act.key, value: `${act.key}${sent.length}` })
              send(act.key, sent.at(-1)?.value ?? '')
              await turns()
            } else if (act.do === 'end') {
              calls.endOne(act.at)
              await go()
            } else {
              calls = new Calls()
              void driver.crash()
              await go()
            }
          }
          for (let idle = 0; idle < 3; idle++) {
            while (calls.endOne(0)) {
              idle = 0
              await go()
            }
            await go()
          }
          const given = driver.createOutputTopic('out', text, text).readRecordsToList()
          for (const key of ['a', 'b', 'c']) {
            const made = sent.filter((record) => record.key === key).flatMap(({ value }) => resultsOf(name, value))
            assert.deepEqual(
              given.filter((record) => record.key === key).map(({ value }) => value),
              made,
            )
            const count = driver.getKeyValueStore<string, number>('counts').get(key) ?? 0
            assert.equal(count, sent.filter((record) => record.key === key).length)
          }
          assert.equal(driver.createOutputTopic('copied', text, text).readRecordsToList().length, sent.length)
          await driver.close()
        }),
        { numRuns: propertyRuns(150), seed: 1 },
      )
    })
  }
})

function resultsOf(shape: string, value: string): readonly string[] {
  if (shape === 'several calls for each record') return [`${value}x!`, `${value}y!`]
  return shape === 'two asynchronous steps in a row' ? [`${value}!!`] : [`${value}!`]
}
