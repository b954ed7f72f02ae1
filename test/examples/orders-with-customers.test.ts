import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Serdes } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { namedOrderSerde, orderSerde, topology } from '../../examples/orders-with-customers.ts'

it('The orders-with-customers example adds to each order the name that its customer has at that time', async () => {
  const text = Serdes.string()
  await using driver = new TopologyTestDriver(topology)
  const orders = driver.createInputTopic('orders', text, orderSerde)
  const customers = driver.createInputTopic('customers', text, text)
  const named = driver.createOutputTopic('named-orders', text, namedOrderSerde)
  await orders.pipeInput('1', { customer: 'c-1', total: 20 })
  await customers.pipeInput('c-1', 'Ada')
  await orders.pipeInput('2', { customer: 'c-1', total: 35 })
  assert.deepEqual(
    named.readRecordsToList().map(({ value }) => value),
    [
      { order: '1', customer: null, total: 20 },
      { order: '2', customer: 'Ada', total: 35 },
    ],
  )
})
