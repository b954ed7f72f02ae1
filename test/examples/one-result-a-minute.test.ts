import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { noonMs, sales, topology } from '../../examples/one-result-a-minute.ts'

it('The one-result-a-minute example gives one result for each shop and minute, which includes sales within the grace but no later sales', async () => {
  const text = Serdes.string()
  await using driver = new TopologyTestDriver(topology)
  const input = driver.createInputTopic('sales', text, Serdes.double())
  const takings = driver.createOutputTopic('takings', text, text)
  for (const [second, shop, amount] of sales) await input.pipeInput(shop, amount, noonMs + second * 1_000)
  assert.deepEqual(
    takings.readRecordsToList().map(({ key, value }) => `${key} ${value}`),
    ['north 12:00 12.50', 'south 12:00 5.00', 'north 12:01 7.00'],
  )
})
