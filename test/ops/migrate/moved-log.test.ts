import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { BeeRegistry } from '../../../bees/registry.ts'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { migrate } from '../../../ops/migrate/migration.ts'
import type { Position, TopicPartition } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { nameCode } from '../../../processor/state/name-code.ts'
import { writePositionNote } from '../../../processor/task/position-note.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

/** Gives a log the method with which a cluster sets positions. Returns the positions that were set, by group. */
function positionsSetIn(log: EmbeddedLog): ReadonlyMap<string, readonly (TopicPartition & Position)[]> {
  const positions = new Map<string, readonly (TopicPartition & Position)[]>()
  Object.assign(log, {
    setPositions: async (group: string, places: readonly (TopicPartition & Position)[]) => void positions.set(group, places),
  })
  return positions
}

describe('The migration of a log', () => {
  const topic = 'waggle.gateway.shop'
  let root: string
  let clock: SimulatedClock
  let from: EmbeddedLog
  let to: EmbeddedLog
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'waggle-migration-'))
    clock = new SimulatedClock()
    from = await openEmbeddedLog({ directory: join(root, 'from'), clock })
    to = await openEmbeddedLog({ directory: join(root, 'to'), clock })
  })
  afterEach(async () => {
    await from.close()
    await to.close()
    rmSync(root, { recursive: true })
  })

  it('is refused, before anything is moved, with a backlog that brokers would delete before it is read', async () => {
    await from.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: 60_000 }])
    const producer = await from.producer()
    const send = (timestamp: number) => producer.send({ topic, partition: 0, key: null, value: Buffer.from('1'), timestamp, headers: [] })
    await send(clock.now() - 31_000)
    await send(clock.now())
    await from.rewind('waggle.shop', { topic, partition: 0, offset: 0 })
    const moved = () => migrate({ from, to, clock, plans: [], onProgress: () => {} })
    await assert.rejects(moved(), { code: 'WAGGLE_MIGRATION', message: /waggle\.shop has not read, and brokers delete them after 60 seconds/ })
    assert.deepEqual(await to.topics(), [])
    await from.rewind('waggle.shop', { topic, partition: 0, offset: 1 })
    assert.equal((await moved()).records, 2)
  })

  it('keeps the note of finished calls at the same records, even if the log no longer begins at 0', async () => {
    await from.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const producer = await from.producer()
    for (let at = 0; at < 10; at++)
      await producer.send({ topic, partition: 0, key: null, value: Buffer.from(`${at}`), timestamp: clock.now(), headers: [] })
    await from.deleteBefore([{ topic, partition: 0, offset: 4 }])
    const [{ start } = { start: 0 }] = (await from.topic(topic))?.offsets ?? []
    assert.equal(start, 4)
    const noteAt = (offset: number) =>
      writePositionNote({
        partitionTime: 1,
        streamTime: 1,
        kept: [],
        ahead: { until: offset + 3, nodes: [[nameCode('work'), { offset, skip: 0, done: 'Ag==' }]] },
      })
    const task = await from.taskProducer({ group: 'waggle.shop' })
    await task.commit({ positions: [{ topic, partition: 0, offset: 6, metadata: noteAt(6) }], state: [] })
    const positions = positionsSetIn(to)
    await migrate({ from, to, clock, plans: [], onProgress: () => {} })
    assert.deepEqual(positions.get('waggle.shop'), [{ topic, partition: 0, offset: 2, metadata: noteAt(2) }])
  })

  it('starts a new group at the position of its own swarm, not of a swarm with a longer name', async () => {
    const planOf = (name: string) => {
      const file = `name: ${name}
bees:
  - { name: entrance, type: kafka-input, spec: { topic: orders } }
  - { name: answer, type: respond, input: { name: entrance } }
`
      const settings = { partitions: 1, retentionMs: 1000, retentionBytes: null, answerPartitions: null }
      return planSwarm(checkSwarm(SwarmDocument.parse(file, 'swarm.yaml'), new BeeRegistry()), settings)
    }
    await from.createTopics([{ name: 'orders', partitions: 1, cleanup: 'delete', retentionMs: null }])
    const producer = await from.producer()
    for (let at = 0; at < 3; at++)
      await producer.send({ topic: 'orders', partition: 0, key: null, value: Buffer.from('1'), timestamp: clock.now(), headers: [] })
    await from.rewind('waggle.shop-two', { topic: 'orders', partition: 0, offset: 1 })
    const positions = positionsSetIn(to)
    await migrate({ from, to, clock, plans: [planOf('shop'), planOf('shop-two')], onProgress: () => {} })
    const places = (group: string) => positions.get(group)?.flatMap(({ topic: of, offset }) => (of === 'orders' ? [offset] : []))
    assert.deepEqual([places('waggle.shop'), places('waggle.shop-two')], [[3], [1]])
  })
})
