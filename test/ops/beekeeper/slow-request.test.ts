import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { describeWithKafka } from '../../support/kafka-cluster.ts'
import { type Env, eventually, SwarmHere } from '../../support/swarm-here.ts'

/** The numbers of all requests for which the bee was called. A call of request 0 waits until the test releases it. */
const called: number[] = []
let release = (): void => {}
Object.assign(globalThis, {
  callOf: (number: number) => {
    called.push(number)
    if (number > 0) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    release = resolve
    return promise
  },
})
const files = { 'work.mjs': 'export default async (input) => (await callOf(input.number), input)\n' }
const others = Array.from({ length: 30 }, (_, number) => number + 1)

/** The same tests for both kinds of log. All requests are in one partition. */
function delaysNoOther(env: () => Env): void {
  const open = (own: Env = {}) => SwarmHere.open({ WAGGLE_PARTITIONS: '1', ...env(), ...own }, { files })

  it('does not delay requests of the same partition', async () => {
    called.length = 0
    await using swarm = await open()
    const slow = swarm.ask({ number: 0 })
    await eventually(async () => called.includes(0))
    for (const number of others) assert.equal((await swarm.ask({ number })).status, 200)
    release()
    assert.equal((await slow).status, 200)
  })
}

describe('A slow request on the embedded log', () => {
  delaysNoOther(() => ({}))

  it('is the only request that is computed again after a restart', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-slow-request-'))
    try {
      called.length = 0
      const own = { WAGGLE_DATA_DIR: directory }
      const name = 'slow-request'
      {
        await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '1', ...own }, { files, name })
        assert.equal((await swarm.ask({ number: 0 }, { verb: 'submit' })).status, 202)
        await eventually(async () => called.includes(0))
        for (const number of others) assert.equal((await swarm.ask({ number })).status, 200)
      }
      const before = called.length
      await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '1', ...own }, { files, name })
      await eventually(async () => called.length > before)
      assert.equal((await swarm.ask({ number: 31 })).status, 200)
      assert.deepEqual(called.slice(before), [0, 31])
      release()
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

describeWithKafka('A slow request on Kafka', { own: true }, (cluster) => {
  describe('at least once', () => delaysNoOther(() => ({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster().brokers.join(',') })))
  describe('exactly once', () =>
    delaysNoOther(() => ({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster().brokers.join(','), WAGGLE_PROCESSING: 'exactly_once' })))
})
