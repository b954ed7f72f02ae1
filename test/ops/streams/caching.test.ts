import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder, type StreamsConfig, TimeWindows } from 'waggle-streams'

const text = Serdes.string()
const numbers = Serdes.long()
const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** Counts the words of one record. All updates of the record come before the next commit. */
async function updatesOf(line: string, more: Partial<StreamsConfig>, caching = true): Promise<readonly (readonly [string, number])[]> {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-caching-'))
  directories.push(stateDir)
  const builder = new StreamsBuilder()
  builder
    .stream('lines', Consumed.with(text, text))
    .flatMap((_, words) => (words ?? '').split(' ').map((word) => [word, word] as const))
    .groupByKey(Grouped.with(text, text, { name: 'words' }))
    .count(Materialized.as('counts', { caching }))
    .toStream()
    .to('counted', Produced.with(text, numbers))
  await using streams = new Streams(builder.build(), { applicationId: 'words', log: 'embedded', stateDir, commitIntervalMs: 5, ...more })
  await streams.start()
  await streams.send('lines', { key: null, value: `${line} end` }, Produced.with(text, text))
  const updates: (readonly [string, number])[] = []
  for await (const { key, value } of streams.records('counted', Consumed.with(text, numbers))) {
    updates.push([key ?? '', value ?? 0])
    if (key === 'end') break
  }
  return updates
}

const words = 'teddy bear teddy bear teddy'
const each = [
  ['teddy', 1],
  ['bear', 1],
  ['teddy', 2],
  ['bear', 2],
  ['teddy', 3],
  ['end', 1],
]

describe('The updates of a table', () => {
  it('are forwarded once for each key and commit, in the order of the last update, with the default cache', async () => {
    assert.deepEqual(await updatesOf(words, {}), [
      ['bear', 2],
      ['teddy', 3],
      ['end', 1],
    ])
  })

  it('are all forwarded if cacheMaxBytes is 0', async () => {
    assert.deepEqual(await updatesOf(words, { cacheMaxBytes: 0 }), each)
  })

  it('are all forwarded if their own store has no cache', async () => {
    assert.deepEqual(await updatesOf(words, {}, false), each)
  })

  it('are forwarded before the commit when the cache is full', async () => {
    assert.deepEqual(await updatesOf(words, { cacheMaxBytes: 1 }), each)
    const roomForOne = await updatesOf(words, { cacheMaxBytes: 150 })
    assert.ok(roomForOne.length > 3 && roomForOne.length <= each.length, JSON.stringify(roomForOne))
    assert.deepEqual(roomForOne.at(-1), ['end', 1])
  })

  it('carry the value before the first and after the last update, for steps that read both values', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'waggle-caching-'))
    directories.push(stateDir)
    const builder = new StreamsBuilder()
    builder
      .stream('lines', Consumed.with(text, text))
      .flatMap((_, line) => (line ?? '').split(' ').map((word) => [word, word] as const))
      .groupByKey(Grouped.with(text, text, { name: 'words' }))
      .windowedBy(TimeWindows.ofSizeWithNoGrace(1000))
      .count(Materialized.as('counts'))
      .groupBy((_, count) => ['all', count] as const, Grouped.with(text, numbers, { name: 'all' }))
      .reduce(
        (sum, count) => sum + count,
        (sum, count) => sum - count,
        Materialized.with(text, numbers),
      )
      .toStream()
      .to('sums', Produced.with(text, numbers))
    await using streams = new Streams(builder.build(), { applicationId: 'sums', log: 'embedded', stateDir, commitIntervalMs: 5 })
    await streams.start()
    await streams.send('lines', { key: null, value: words, timestamp: 10 }, Produced.with(text, text))
    await streams.send('lines', { key: null, value: `${words} bear`, timestamp: 20 }, Produced.with(text, text))
    const sums: number[] = []
    for await (const { value } of streams.records('sums', Consumed.with(text, numbers))) if (sums.push(value ?? 0) && value === 11) break
    // Readers never see a count that is too high, because counts only grow.
    assert.deepEqual(
      sums,
      sums.toSorted((a, b) => a - b),
    )
  })
})
