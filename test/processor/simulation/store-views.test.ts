import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Consumed, Grouped, Materialized, Serdes, SessionWindows, StreamsBuilder, TimeWindows } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()

it('The stores of a test driver return rows of all partitions, forward and backward, in the order of the keys’ bytes', async () => {
  const builder = new StreamsBuilder()
  const grouped = builder.stream('in', Consumed.with(text, text)).groupByKey(Grouped.with(text, text))
  grouped.count(Materialized.as('counts'))
  grouped.windowedBy(TimeWindows.ofSizeAndGrace(10, 1000)).count(Materialized.as('windows'))
  grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(5, 1000)).count(Materialized.as('sessions'))
  await using driver = new TopologyTestDriver(builder.build(), { partitions: { in: 3 } })
  const input = driver.createInputTopic('in', text, text)
  for (const [at, key] of ['a', 'b', 'c', 'd'].entries()) for (const time of [0, 20]) await input.pipeInput(key, 'v', time + at)

  const counts = driver.getKeyValueStore<string, number>('counts')
  assert.deepEqual([...counts.reverseRange('a', 'c')].map(String), ['c,2', 'b,2', 'a,2'])
  counts.putAll([
    ['a', 7],
    ['d', null],
  ])
  assert.deepEqual([...counts.reverseAll()].map(String), ['c,2', 'b,2', 'a,7'])

  const windows = driver.getWindowStore<string, number>('windows')
  const starts = (rows: Iterable<readonly [{ readonly key: string; readonly window: { readonly start: number } }, number]>) =>
    [...rows].map(([{ key, window }]) => `${key}${window.start}`).join(' ')
  assert.equal(starts(windows.all()), 'a0 a20 b0 b20 c0 c20 d0 d20')
  assert.equal(starts(windows.backwardAll()), 'd20 d0 c20 c0 b20 b0 a20 a0')
  assert.equal(starts(windows.fetch('b', 'c', 0, 10)), 'b0 c0')
  assert.equal(starts(windows.backwardFetch('b', null, 0, 10)), 'd0 c0 b0')
  assert.equal(starts(windows.backwardFetchAll(20, 30)), 'd20 c20 b20 a20')
  assert.deepEqual(
    [...windows.backwardFetch('a', 0, 30)],
    [
      [20, 1],
      [0, 1],
    ],
  )

  const sessions = driver.getSessionStore<string, number>('sessions')
  assert.equal(starts(sessions.fetch('b', 'c')), 'b1 b21 c2 c22')
  assert.equal(starts(sessions.backwardFetch(null, 'b')), 'b21 b1 a20 a0')
  assert.equal(starts(sessions.backwardFetch('a')), 'a20 a0')
  assert.equal(starts(sessions.findSessions('a', 'b', 20, 30)), 'a20 b21')
  assert.equal(starts(sessions.backwardFindSessions('a', 'b', 0, 0)), 'a0')
  assert.equal(starts(sessions.backwardFindSessions('a', 0, 30)), 'a20 a0')
  assert.equal(sessions.fetchSession('a', 0, 0), 1)
})
