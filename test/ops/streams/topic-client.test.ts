import assert from 'node:assert/strict'
import { it } from 'node:test'
import { TopicClient } from '../../../ops/streams/topic-client.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read } from '../../support/text-program.ts'

it('Records of a topic come from each partition in order, also while other partitions are empty, until the reader is closed', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics([{ name: 'in', partitions: 3, cleanup: 'delete', retentionMs: null }])
  const client = new TopicClient(log, world.clock, { makesTopics: false })
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
