import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type FixedKeyProcessorContext, type ProcessorContext, type PunctuationType, StreamsBuilder, Topology } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, text } from '../../support/text-program.ts'

type Scheduling = Pick<ProcessorContext<never, never>, 'schedule'>

/** The times of punctuations every 10 ms from `startTime` on. The first record schedules them. */
async function fired(
  type: PunctuationType,
  startTime: number,
  recordTimes: readonly number[],
  wallClockSteps: readonly number[] = [],
): Promise<readonly number[]> {
  const times: number[] = []
  const topology = new Topology().addSource('source', 'in', read).addProcessor('process', () => {
    let context: Scheduling | null = null
    return {
      init(given: ProcessorContext<never, never>) {
        context = given
      },
      process() {
        context?.schedule(10, type, (timestamp) => times.push(timestamp), { startTime })
        context = null
      },
    }
  }, ['source'])
  await using driver = new TopologyTestDriver(topology, { startTimeMs: 1003 })
  const input = driver.createInputTopic('in', text, text)
  for (const time of recordTimes) await input.pipeInput('k', 'v', time)
  for (const step of wallClockSteps) await driver.advanceWallClockTime(step)
  return times
}

describe('A punctuation with a start time (KIP-1146)', () => {
  it('fires first at that time if the time is in the future', async () => {
    assert.deepEqual(await fired('STREAM_TIME', 35, [1, 30, 34, 35, 44, 45]), [35, 45])
    assert.deepEqual(await fired('WALL_CLOCK_TIME', 1020, [1], [16, 1, 9, 1]), [1020, 1030])
  })

  it('fires first a whole number of intervals after that time if the time is past', async () => {
    assert.deepEqual(await fired('STREAM_TIME', 5, [31, 34, 35, 44, 46]), [35, 46])
    assert.deepEqual(await fired('WALL_CLOCK_TIME', 0, [1], [6, 1, 10]), [1010, 1020])
  })

  it('does not fire at once if it is scheduled a whole number of intervals after that time', async () => {
    assert.deepEqual(await fired('WALL_CLOCK_TIME', 993, [1], [9, 1]), [1013])
  })

  it('is refused if the start time is before 0', async () => {
    await assert.rejects(fired('STREAM_TIME', -1, [1]), { code: 'WAGGLE_INVALID_INTERVAL' })
    await assert.rejects(fired('WALL_CLOCK_TIME', Number.NaN, [1]), { code: 'WAGGLE_INVALID_INTERVAL' })
  })

  it('is available to processors of values too', async () => {
    const times: number[] = []
    const builder = new StreamsBuilder()
    builder.stream('in', read).processValues<string>(() => ({
      init: (context: FixedKeyProcessorContext<string>) => {
        context.schedule(10, 'STREAM_TIME', (timestamp) => times.push(timestamp), { startTime: 15 })
      },
      process() {},
    }))
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    for (const time of [1, 14, 15, 25]) await input.pipeInput('k', 'v', time)
    assert.deepEqual(times, [15, 25])
  })
})
