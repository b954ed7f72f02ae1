import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder, type Topology } from 'waggle-streams'
import { Application } from '../../processor/application/application.ts'
import { commitSteps } from '../../processor/simulation/crash.ts'
import { decorated } from '../../topology/decorated.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

const text = Serdes.string()

/** A program whose calls take from 0 to 200 ms. On two other paths, each record is copied, and is counted by its key. */
function program(world: SimulatedWorld, ordered: 'partition' | 'key'): Topology {
  const builder = new StreamsBuilder()
  const input = builder.stream('in', Consumed.with(text, text).skipNullKeys().skipNullValues())
  input
    .mapAsync((value) => new Promise<string>((resolve) => world.clock.after(world.random.below(200), () => resolve(value))), {
      concurrency: 50,
      timeoutMs: 60_000,
      ordered,
    })
    .to('out', Produced.with(text, text))
  input.to('copied', Produced.with(text, text))
  input.groupByKey(Grouped.with(text, text)).count(Materialized.as('counts')).toStream().to('counted', Produced.with(text, Serdes.long()))
  return decorated(builder.build(), 'ordered', { key: null, value: null, timestampExtractor: null })
}

/** The values of a topic by key, in order. */
function written(world: SimulatedWorld, topic: string): ReadonlyMap<string, readonly string[]> {
  const byKey = new Map<string, string[]>()
  for (const { records } of world.disk.topics.get(topic)?.partitions ?? []) {
    for (const { key, value } of records) {
      const name = Buffer.from(key ?? []).toString()
      byKey.set(name, [...(byKey.get(name) ?? []), Buffer.from(value as Uint8Array).toString('latin1')])
    }
  }
  return byKey
}

describe('The results of asynchronous calls on a thread that dies in a commit', () => {
  for (const ordered of ['partition', 'key'] as const) {
    it(`come once for each record and in order within a ${ordered}; records of the same input that are copied or counted also come once and in order`, async () => {
      for (let seed = 1; seed <= 15; seed++) {
        const world = new SimulatedWorld({ seed })
        const sent = new Map<string, string[]>()
        for (let life = 0; life <= 5; life++) {
          const step = commitSteps[world.random.below(commitSteps.length)] ?? 'begin'
          const log = world.boot(life === 5 ? null : { commit: world.random.below(5), step })
          const application = new Application({
            applicationId: 'ordered',
            topology: program(world, ordered),
            log,
            clock: world.clock,
            topics: ['in', 'out', 'copied', 'counted'].map((name) => ({ name, partitions: 2, retentionMs: null, cleanup: 'delete' as const })),
            commitIntervalMs: 20,
          })
          void application.start()
          await world.clock.until(() => log.hasCrashed || application.state === 'RUNNING')
          if (log.hasCrashed) continue
          const producer = await log.producer()
          for (let count = 0; count < 12 && !log.hasCrashed; count++) {
            const key = `k${world.random.below(4)}`
            const value = `${life}-${count}`
            void producer
              .send({ topic: 'in', partition: Number(key.slice(1)) % 2, key: Buffer.from(key), value: Buffer.from(value), timestamp: 0, headers: [] })
              .then(() => sent.set(key, [...(sent.get(key) ?? []), value]))
            await world.clock.advance(world.random.below(30))
          }
          await world.clock.advance(life < 5 ? world.random.below(400) : 5000)
          // If the log has not reached its crash point yet, it crashes here, because only one process runs at a time.
          if (life < 5) log.crash()
        }
        // Records sent while the process died may or may not be in the topic.
        const there = written(world, 'in')
        for (const [key, values] of sent) for (const value of values) assert.ok(there.get(key)?.includes(value))
        for (const topic of ['out', 'copied']) {
          const found = written(world, topic)
          for (const [key, values] of there) assert.deepEqual(found.get(key), values, `${topic} of ${key}, seed ${seed}`)
        }
        for (const [key, values] of there) assert.equal(written(world, 'counted').get(key)?.length, values.length, `counts of ${key}, seed ${seed}`)
      }
    })
  }
})
