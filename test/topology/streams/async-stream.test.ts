import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const written = Produced.with(text, text)

describe('Asynchronous calls', () => {
  it('forward their results in the order of the input, with each record’s key, time and headers', async () => {
    const builder = new StreamsBuilder()
    const waits: { readonly value: string; readonly done: () => void }[] = []
    builder
      .stream('in', Consumed.with(text, text).skipNullValues())
      .mapAsync((value) => new Promise<string>((resolve) => waits.push({ value, done: () => resolve(`${value}!`) })), {
        concurrency: 4,
        timeoutMs: 1000,
      })
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    const piped = [input.pipeInput('k1', 'slow', 1), input.pipeInput('k2', 'quick', 2)]
    while (waits.length < 2) await new Promise(setImmediate)
    for (const { done } of [...waits].reverse()) done()
    await Promise.all(piped)
    const out = driver.createOutputTopic('out', text, text).readRecordsToList()
    assert.deepEqual(
      out.map(({ key, value, timestamp }) => [key, value, timestamp]),
      [
        ['k1', 'slow!', 1],
        ['k2', 'quick!', 2],
      ],
    )
  })

  it('wait until a test moves the clock if only time can end them', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', Consumed.with(text, text).skipNullValues())
      .mapAsync(() => new Promise<string>(() => {}), { concurrency: 1, timeoutMs: 100 })
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build(), { processingHandler: () => 'resume' })
    const piped = driver.createInputTopic('in', text, text).pipeInput('k', 'v', 1)
    await driver.advanceWallClockTime(99)
    await driver.advanceWallClockTime(1)
    await piped
    assert.ok(driver.createOutputTopic('out', text, text).isEmpty())
  })

  it('get batches that are full, or whose oldest record has waited long enough', async () => {
    const builder = new StreamsBuilder()
    const sizes: number[] = []
    builder
      .stream('in', Consumed.with(text, text).skipNullValues())
      .batch({ size: 2, timeoutMs: 100, release: 'full' })
      .mapAsync(
        async (values) => {
          sizes.push(values.length)
          return values.map((value) => value.toUpperCase())
        },
        { concurrency: 1, timeoutMs: 1000 },
      )
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    const out = driver.createOutputTopic('out', text, text)
    for (const value of ['a', 'b', 'c']) await input.pipeInput('k', value)
    assert.deepEqual(
      out.readRecordsToList().map(({ value }) => value),
      ['A', 'B'],
    )
    await driver.advanceWallClockTime(100)
    assert.deepEqual(out.readRecord().value, 'C')
    assert.deepEqual(sizes, [2, 1])
  })

  it('fail the program if they fail, or return a wrong number of results', async () => {
    const failing = async (call: (values: readonly string[]) => Promise<readonly string[]>) => {
      const builder = new StreamsBuilder()
      builder
        .stream('in', Consumed.with(text, text).skipNullValues())
        .batch({ size: 1, timeoutMs: 1 })
        .mapAsync(call, { concurrency: 1, timeoutMs: 1000 })
        .to('out', written)
      const driver = new TopologyTestDriver(builder.build())
      await driver.createInputTopic('in', text, text).pipeInput('k', 'v')
    }
    await assert.rejects(
      failing(async () => Promise.reject(new Error('no'))),
      /no/,
    )
    await assert.rejects(
      failing(async () => []),
      { code: 'WAGGLE_BATCH_LENGTH' },
    )
  })
})
