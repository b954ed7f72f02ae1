import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BufferConfig, Consumed, Produced, type RecordMetadata, Serdes, StreamsBuilder, Suppressed } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()

/** A program that holds the updates of `in` back for `limitMs`. `seen` gets the metadata of forwarded updates. */
function waiting(buffer: BufferConfig, limitMs: number) {
  const seen: (RecordMetadata | null)[] = []
  const builder = new StreamsBuilder()
  builder
    .table('in', Consumed.with(text, text).skipNullKeys().skipNullValues())
    .suppress(Suppressed.untilTimeLimit(limitMs, buffer))
    .toStream()
    .process<string, string | null>(() => {
      let forward: (record: { key: string; value: string | null; timestamp: number }) => void = () => {}
      let place: () => RecordMetadata | null = () => null
      return {
        init(context) {
          forward = (record) => context.forward(record)
          place = () => context.recordMetadata
        },
        process(record) {
          seen.push(place())
          forward(record)
        },
      }
    })
    .filter((_, value): value is string => value !== null)
    .to('out', Produced.with(text, text))
  const driver = new TopologyTestDriver(builder.build())
  return { driver, input: driver.createInputTopic('in', text, text), out: driver.createOutputTopic('out', text, text), seen }
}

describe('The updates that a suppression holds', () => {
  // The bytes of one update: 28 for its times and position, 2 for the topic’s name, then the key and the new value. If the old value equals the prior
  // value, the two count once.
  const first = 28 + 2 + 1 + 5

  it('are counted as in Kafka Streams, and an update replaces the earlier update of its key', async () => {
    const { driver, input, out } = waiting(BufferConfig.maxBytes(first + 3), 1000)
    await using _ = driver
    await input.pipeInput('k', '12345', 0)
    await input.pipeInput('k', '12', 1)
    assert.ok(out.isEmpty(), 'old and new value, seven bytes, are in the bound of eight')
    await input.pipeInput('k', '1234567', 2)
    assert.equal(out.readRecord().value, '1234567', 'nine are not')
  })

  it('shut the application down if they exceed their limit by one byte', async () => {
    const fits = waiting(BufferConfig.maxBytes(first).shutDownWhenFull(), 1000)
    await fits.input.pipeInput('k', '12345', 0)
    assert.ok(fits.out.isEmpty())
    const full = waiting(BufferConfig.maxBytes(first - 1).shutDownWhenFull(), 1000)
    await assert.rejects(full.input.pipeInput('k', '12345', 0), (error: Error) => {
      assert.match(String(error), /36 of 35 bytes/)
      return 'code' in error && error.code === 'WAGGLE_BUFFER_FULL'
    })
  })

  it('are forwarded with the metadata of the record that caused them, even after a crash', async () => {
    const { driver, input, out, seen } = waiting(BufferConfig.unbounded(), 10)
    await using _ = driver
    await input.pipeInput('a', 'old', 0)
    await input.pipeInput('b', 'newer', 1)
    await driver.crash()
    await input.pipeInput('c', 'late', 11)
    assert.deepEqual(
      out.readRecordsToList().map(({ key, value, timestamp }) => [key, value, timestamp]),
      [
        ['a', 'old', 0],
        ['b', 'newer', 1],
      ],
    )
    assert.deepEqual(
      seen.map((place) => place?.offset),
      [0n, 1n],
    )
  })
})
