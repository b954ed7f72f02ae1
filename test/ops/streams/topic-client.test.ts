import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Consumed, Produced, Serdes } from 'waggle-streams'
import { TopicClient } from '../../../ops/streams/topic-client.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read } from '../../support/text-program.ts'

it('A reader of a topic gets the records of each partition in order until it is closed, even if other partitions are empty', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics([{ name: 'in', partitions: 3, cleanup: 'delete', retentionMs: null }])
  const client = new TopicClient(log, world.clock, { makesTopics: false, defaults: { key: null, value: null } })
  const producer = await log.producer()
  const send = (partition: number, value: string) =>
    producer.send({ topic: 'in', partition, key: Buffer.from('k'), value: Buffer.from(value), timestamp: 1, headers: [] })
  const seen: string[] = []
  let isLeft = false
  void (async () => {
    for await (const { partition, value } of client.records('in', read)) if (seen.push(`${partition}:${value}`) === 6) break
    isLeft = true
  })()
  for (const [at, partition] of [0, 2, 0, 0, 2].entries()) {
    void send(partition, String(at))
    await world.clock.until(() => seen.length === at + 1)
  }
  assert.deepEqual(seen, ['0:0', '2:1', '0:2', '0:3', '2:4'])
  void send(1, 'last')
  await world.clock.until(() => isLeft)
  assert.equal(seen.at(-1), '1:last')
})

it('A record is written and read with the application’s default serdes, and is refused if there are no default serdes', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics([{ name: 'in', partitions: 1, cleanup: 'delete', retentionMs: null }])
  const without = new TopicClient(log, world.clock, { makesTopics: false, defaults: { key: null, value: null } })
  const record = { key: 'k', value: 7 }
  const produced = Produced.with<unknown, unknown>(null, null)
  await assert.rejects(without.send('in', record, produced), { code: 'WAGGLE_SERDE_MISSING' })
  const client = new TopicClient(log, world.clock, { makesTopics: false, defaults: { key: Serdes.string(), value: Serdes.long() } })
  const seen: unknown[] = []
  void (async () => {
    for await (const { key, value } of client.records('in', Consumed.with<string, number>(null, null))) seen.push(key, value)
  })()
  void client.send('in', record, produced)
  await world.clock.until(() => seen.length === 2)
  assert.deepEqual(seen, ['k', 7])
})
