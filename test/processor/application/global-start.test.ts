import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Materialized, StreamsBuilder } from 'waggle-streams'
import { Application } from '../../../processor/application/application.ts'
import type { Log } from '../../../processor/ports.ts'
import { decorated } from '../../../topology/decorated.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'
import { read, text, toOut } from '../../support/text-program.ts'

it('An application starts even if all records of its global table’s topic are past their retention', async () => {
  const world = new SimulatedWorld()
  const log = world.boot()
  await log.createTopics(['in', 'names', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const expired = new Proxy<Log>(log, {
    get(target, property) {
      if (property === 'topic') {
        return async (name: string) => {
          const info = await log.topic(name)
          return info !== null && name === 'names' ? { ...info, offsets: [{ start: 7, end: 7 }] } : info
        }
      }
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const builder = new StreamsBuilder()
  const names = builder.globalTable('names', read, Materialized.as('names', { keySerde: text, valueSerde: text }))
  toOut(
    builder.stream('in', read).leftJoin(
      names,
      (key) => key,
      (value) => value,
    ),
  )
  const topology = decorated(builder.build(), 'app', { key: null, value: null, timestampExtractor: null })
  const application = new Application({ applicationId: 'app', topology, log: expired, clock: world.clock, topics: [] })
  void application.start()
  await world.clock.until(() => application.state === 'RUNNING', 5000)
  assert.equal(application.state, 'RUNNING')
  void application.close({ timeoutMs: 1000 })
  await world.clock.until(() => application.state === 'NOT_RUNNING')
})
