import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { enrich, priceSerde } from '../../examples/enrich.ts'

it('The enrich example retries a failed call, and keeps the order of its input', async () => {
  const text = Serdes.string()
  let calls = 0
  const topology = enrich(async (currency) => {
    if (++calls === 1) throw new Error('the service is away')
    return currency === 'CHF' ? 1.07 : 0.09
  })
  await using driver = new TopologyTestDriver(topology)
  const prices = driver.createInputTopic('prices', text, priceSerde)
  const euros = driver.createOutputTopic('euros', text, text)
  await Promise.all([
    prices.pipeInput('order-1', { amount: 100, currency: 'CHF' }),
    prices.pipeInput('order-2', { amount: 250, currency: 'SEK' }),
    driver.advanceWallClockTime(60_000),
  ])
  assert.deepEqual(
    euros.readRecordsToList().map(({ key, value }) => `${key} ${value}`),
    ['order-1 107.00 EUR', 'order-2 22.50 EUR'],
  )
  assert.equal(calls, 3)
})
