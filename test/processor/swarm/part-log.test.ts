import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import type { Log, Producer, ReadOptions } from '../../../processor/ports.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { PartLog } from '../../../processor/swarm/part-log.ts'
import type { PartsRun } from '../../../topology/swarm/ports/published-parts.ts'

const topic = 'waggle.talk-parts'

describe('The log of parts', () => {
  let directory: string
  let clock: SimulatedClock
  let disk: EmbeddedLog
  /** The options of each read. */
  let reads: ReadOptions[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-parts-'))
    clock = new SimulatedClock()
    disk = await openEmbeddedLog({ directory, clock })
    await disk.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: 86_400_000 }])
    reads = []
  })
  afterEach(async () => {
    await disk.close()
    rmSync(directory, { recursive: true })
  })

  /** The log of parts in a process that has just started. `isShared`: other processes write to the log too. */
  function started(isShared: boolean, producer: () => Promise<Producer> = () => disk.producer()): PartLog {
    const log: Log = {
      traits: { ...disk.traits, repeatsRecords: isShared },
      state: disk.state,
      load: disk.load,
      createTopics: (specs) => disk.createTopics(specs),
      topic: (name) => disk.topic(name),
      topics: () => disk.topics(),
      subscribe: (subscription) => disk.subscribe(subscription),
      taskProducer: (options) => disk.taskProducer(options),
      producer: () => disk.producer(),
      read: (options) => {
        reads.push(options)
        return disk.read(options)
      },
      offsetAt: (place, timestamp) => disk.offsetAt(place, timestamp),
      close: async () => {},
    }
    const random = { next: () => 0, bytes: (count: number) => new Uint8Array(randomBytes(count)) }
    return new PartLog({ log, clock, random, topic, partitions: 1, gateways: new Set(['own']), producer })
  }

  async function add(run: PartsRun, parts: readonly string[]): Promise<void> {
    for (const [number, part] of parts.entries()) await run.add((run.before?.length ?? 0) + number, { kind: 'json', json: part })
  }

  const textOf = ({ before }: PartsRun) => before?.map((part) => (part.kind === 'json' ? part.json : null)).join('') ?? null

  for (const isShared of [false, true])
    describe(isShared ? 'of a cluster' : 'of one process', () => {
      for (const { time, since } of [
        { time: 'in the future', since: 3_600_000 },
        { time: 'long ago', since: -3_600_000 },
      ])
        it(`gives a run the parts of the previous run, if another program gave the request a time ${time}`, async () => {
          await clock.advance(7_200_000)
          const call = { bee: 'chat', id: 'r', rounds: '', gateway: 'foreign', since: clock.now() + since }
          await add(await started(isShared).begin(call), ['The ', 'cat '])
          await clock.advance(7_200_000)
          assert.equal(textOf(await started(isShared).begin(call)), 'The cat ')
        })

      const call = { bee: 'chat', id: 'r', rounds: '', gateway: 'own', since: 0 }
      const deleted = async (offset: number) => {
        await disk.deleteBefore([{ topic, partition: 0, offset }])
        while ((await disk.topic(topic))?.offsets[0]?.start !== offset) await new Promise((resolve) => setImmediate(resolve))
      }

      it('gives a run the parts of the previous run, if the log does not tell the offset of the run’s own record', async () => {
        await add(await started(isShared).begin(call), ['The ', 'cat '])
        const producer = await disk.producer()
        const vague: Producer = {
          async send(record) {
            await producer.send(record)
            return { offset: -1 }
          },
          close: () => producer.close(),
        }
        assert.equal(textOf(await started(isShared, async () => vague).begin(call)), 'The cat ')
      })

      it('gives a run no parts if the first parts of the previous run are deleted', async () => {
        await add(await started(isShared).begin(call), ['The ', 'cat '])
        await deleted(2)
        assert.equal(textOf(await started(isShared).begin(call)), null)
      })

      it('gives a run no parts if all parts of the previous run are deleted', async () => {
        await add(await started(isShared).begin(call), ['The ', 'cat '])
        await add(await started(isShared).begin(call), ['sat '])
        await deleted(3)
        assert.equal(textOf(await started(isShared).begin(call)), null)
      })

      it('gives a run the parts that come before a part whose write failed', async () => {
        const run = await started(isShared).begin(call)
        await add(run, ['The '])
        await run.add(2, { kind: 'json', json: 'sat ' })
        assert.equal(textOf(await started(isShared).begin(call)), 'The ')
      })

      it('gives a run no parts if the call has failed, even if only the record of the failure is left', async () => {
        const run = await started(isShared).begin(call)
        await add(run, ['The '])
        await run.fail()
        await deleted(2)
        const again = await started(isShared).begin(call)
        assert.equal(textOf(again), '')
        await add(again, ['A '])
        assert.deepEqual((await disk.topic(topic))?.offsets[0], { start: 2, end: 4 })
      })

      it('is read only once for all requests whose time comes from another program', async () => {
        await add(await started(isShared).begin({ bee: 'chat', id: 'before', rounds: '', gateway: 'own', since: clock.now() }), ['a', 'b', 'c'])
        reads = []
        const parts = started(isShared)
        for (let at = 0; at < 10; at++) await add(await parts.begin({ bee: 'chat', id: `r${at}`, rounds: '', gateway: 'foreign', since: 0 }), ['x'])
        assert.equal(reads.filter(({ from }) => from === 0).length, 1)
        const all = reads.reduce((sum, { from = 0, to = 0 }) => sum + to - from, 0)
        assert.ok(all <= 4 + 2 * 10, `${all} records`)
      })
    })
})
