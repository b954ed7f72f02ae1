import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { clicks, eightOClockMs, topology } from '../../examples/sessions.ts'

it('The sessions example gives each session once, after the session has ended', async () => {
  const text = Serdes.string()
  await using driver = new TopologyTestDriver(topology)
  const input = driver.createInputTopic('clicks', text, text)
  const visits = driver.createOutputTopic('visits', text, text)
  for (const [minute, user, page] of clicks) await input.pipeInput(user, page, eightOClockMs + minute * 60_000)
  assert.deepEqual(
    visits.readRecordsToList().map(({ key, value }) => `${key}, ${value}`),
    ['ben, 0 minutes: /', 'anna, 25 minutes: / → /bears → /bears/teddy', 'anna, 0 minutes: /cart'],
  )
})
