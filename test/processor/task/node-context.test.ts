import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Consumed, Serdes, Stores, StreamsBuilder } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const longs = Serdes.long()

it('A row that a punctuation writes has the punctuation’s time in the changelog', async () => {
  const counts = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('counts'), text, longs)
  const builder = new StreamsBuilder()
  builder.stream('in', Consumed.with(text, text)).process(
    () => ({
      init(context) {
        const store = context.getStateStore(counts)
        context.schedule(100, 'WALL_CLOCK_TIME', () => store.put('by the clock', 1))
        context.schedule(100, 'STREAM_TIME', () => store.put('by the stream', 1))
      },
      process() {},
    }),
    { stores: [counts] },
  )
  await using driver = new TopologyTestDriver(builder.build(), { startTimeMs: 1000 })
  const changelog = driver.createOutputTopic('test-counts-changelog', text, longs)
  await driver.advanceWallClockTime(150)
  await driver.createInputTopic('in', text, text).pipeInput('k', 'v', 7)
  assert.deepEqual(
    changelog.readRecordsToList().map(({ key, timestamp }) => [key, timestamp]),
    [
      ['by the clock', 1150],
      ['by the stream', 7],
    ],
  )
})
