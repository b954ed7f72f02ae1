import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { textHeader } from '../../topology/record.ts'
import { Refused } from '../../topology/waggle-error.ts'
import { startSwarm } from '../support/function-swarm.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

const yaml = `
name: shop
bees:
  - {name: orders, type: kafka-input, spec: {topic: orders}}
  - {name: decide, type: function, input: {name: orders}}
  - {name: decisions, type: kafka-output, input: {name: decide}, spec: {topic: decisions}}
  - {name: copies, type: kafka-output, input: {name: orders}, spec: {topic: copies}}
`

describe('kafka-input and kafka-output', () => {
  it('read and write topics of another application with any number of partitions, and skip error records', async () => {
    const world = new SimulatedWorld()
    const log = world.boot()
    await log.createTopics([{ name: 'orders', partitions: 3, cleanup: 'delete', retentionMs: null }])
    const decide = (order: unknown) => {
      if ((order as { amount: number }).amount > 100) throw new Refused('Too much')
      return { approved: true }
    }
    const swarm = await startSwarm(world, log, yaml, { decide }, new Map())
    const producer = await log.producer()
    for (const [partition, amount] of [10, 1000, 20].entries()) {
      const headers = [textHeader('content-type', 'application/json'), textHeader('traceparent', `trace-${amount}`), textHeader('own', 'kept')]
      const value = Buffer.from(JSON.stringify({ amount }))
      void producer.send({ topic: 'orders', partition, key: Buffer.from('customer'), value, headers, timestamp: 1 })
    }
    const told = (topic: string) =>
      (world.disk.topics.get(topic)?.partitions ?? []).flatMap(({ records }) =>
        records.map(({ key, value, headers }) => ({
          key: Buffer.from(key ?? []).toString(),
          value: Buffer.from(value ?? []).toString(),
          headers: Object.fromEntries(headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString()])),
        })),
      )
    await world.clock.until(() => told('decisions').length === 2 && told('copies').length === 3)
    await world.clock.advance(2000)
    const decisions = told('decisions')
    assert.deepEqual(
      decisions.map(({ value }) => value),
      ['{"approved":true}', '{"approved":true}'],
    )
    for (const { key, headers } of decisions) {
      const { traceparent, ...others } = headers
      assert.match(traceparent ?? '', /^trace-(10|20)$/)
      assert.deepEqual(others, { 'content-type': 'application/json', own: 'kept', 'waggle-request-id': key })
    }
    assert.deepEqual(
      told('copies')
        .map(({ value }) => value)
        .sort(),
      ['{"amount":1000}', '{"amount":10}', '{"amount":20}'],
    )
    assert.deepEqual(swarm.failures, [])
    let isClosed = false
    void swarm.close().then(() => {
      isClosed = true
    })
    await world.clock.until(() => isClosed)
  })
})
