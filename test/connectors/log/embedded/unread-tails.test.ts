import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { Partition } from '../../../../connectors/log/embedded/partition.ts'
import { UnreadTails } from '../../../../connectors/log/embedded/unread-tails.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

const maxBytes = 200_000

describe('Durable records that a reader has not read yet', () => {
  for (const number of [4, 64]) {
    it(`take no more memory than the limit over ${number} partitions together`, () => {
      const tails = new UnreadTails(maxBytes)
      const partitions = Array.from({ length: number }, (_, at) => new Partition('in', 1, at, { start: 0, end: 0, bytes: 0 }))
      for (const partition of partitions) partition.watchers.add({ positionOf: () => 0, notify() {} })
      for (let round = 0; round < 50; round++) {
        for (const partition of partitions) partition.append(recordOf(partition.number, round), null).durable = true
        tails.update(new Set(partitions))
        const held = partitions.reduce((sum, { tailBytes }) => sum + tailBytes, 0)
        assert.ok(held <= maxBytes, `${held} bytes after ${round + 1} rounds`)
      }
    })

    it(`are later read from the disk, each record once and in order, over ${number} partitions`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'waggle-tails-'))
      const clock = new SimulatedClock()
      const log = await openEmbeddedLog({ directory, clock, maxTailBytes: maxBytes })
      await log.createTopics([{ name: 'in', partitions: number, cleanup: 'delete', retentionMs: null }])
      const listener = { assigned: async () => {}, revoked: async () => {}, lost: async () => {} }
      const consumer = await log.subscribe({ group: 'slow', topics: ['in'], offsetReset: 'earliest', isolation: 'handed', listener })
      await consumer.poll({ maxRecords: 1, maxWaitMs: 0 })
      const producer = await log.producer()
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: number }, (_, partition) => producer.send(recordOf(partition, round))))
      }
      const seen = new Map<number, number[]>()
      for (let left = number * 20; left > 0; ) {
        const runs = await consumer.poll({ maxRecords: 100, maxWaitMs: 0 })
        assert.ok(runs.length > 0)
        for (const { partition, records } of runs) {
          seen.set(partition, [...(seen.get(partition) ?? []), ...records.map(({ timestamp }) => timestamp)])
          left -= records.length
        }
      }
      assert.equal(seen.size, number)
      for (const rounds of seen.values()) assert.deepEqual(rounds, [...Array(20).keys()])
      await consumer.close()
      await log.close()
      rmSync(directory, { recursive: true })
    })
  }
})

function recordOf(partition: number, round: number) {
  return { topic: 'in', partition, key: null, value: Buffer.from('small'), timestamp: round, headers: [{ key: 'a', value: Buffer.from('b') }] }
}
