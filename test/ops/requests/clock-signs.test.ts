import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClockSigns } from '../../../ops/requests/clock-signs.ts'
import { ClusterRequests } from '../../../ops/requests/cluster-requests.ts'
import { Telemetry } from '../../../ops/telemetry/telemetry.ts'
import type { Application } from '../../../processor/application/application.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import { settled } from '../../support/settled.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

/** Two servers on one log. The clock of the second is ahead by `aheadMs`. Runs for a minute, and returns what each server says about its clock. */
async function afterOneMinute(aheadMs: number) {
  const world = new SimulatedWorld()
  const log = world.boot()
  const topic = (name: string, partitions: number) => ({ name, partitions, cleanup: 'delete' as const, retentionMs: null })
  await log.createTopics([topic('door', 1), topic('answers', 4)])
  const target = { gateway: 'door', topic: 'door', partitions: 1, application: {} as Application, notReady: () => null }
  const targets = [{ ...target, ledgerStore: 'requests', acceptedTopic: 'accepted', answers: { topic: 'answers', partitions: 4 } }]
  const server = (skewMs: number, seed: number) => {
    const said: string[] = []
    const clock = changed(world.clock, { now: () => world.clock.now() + skewMs })
    const common = { log, random: new SimulatedRandom(seed), targets, maxPending: 10 }
    const requests = new ClusterRequests({
      ...common,
      clock,
      onError: (error) => assert.fail(String(error)),
      onClockSkew: (message) => said.push(message),
    })
    return { said, requests }
  }
  const servers = [server(0, 1), server(aheadMs, 2)]
  const done = (what: Promise<unknown>) => settled(world.clock, what, 10_000)
  for (const { requests } of servers) await done(requests.start())
  await world.clock.advance(60_000)
  const found = servers.map(({ said, requests }) => {
    const telemetry = new Telemetry({ clock: world.clock, swarms: [], requests })
    const metric = telemetry.families().find(({ name }) => name === 'waggle_clock_behind_seconds')
    telemetry.close()
    assert.equal(metric?.samples[0]?.value, requests.clockBehindMs / 1000)
    return { said, behindMs: requests.clockBehindMs }
  })
  for (const { requests } of servers) await done(requests.close())
  return found
}

describe('The clocks of two servers on a cluster', () => {
  it('are compared: the server that is behind says once by how much, and the server that is ahead says nothing', async () => {
    const [behind, ahead] = await afterOneMinute(40_000)
    assert.equal(behind?.said.length, 1)
    assert.match(behind?.said[0] ?? '', /^The clock of this server is at least (39\.[89]|40\.0) s behind/)
    assert.ok((behind?.behindMs ?? 0) > 39_000 && (behind?.behindMs ?? 0) <= 40_000, String(behind?.behindMs))
    assert.deepEqual(ahead, { said: [], behindMs: 0 })
  })

  it('may differ by two seconds without a warning', async () => {
    const found = await afterOneMinute(1500)
    assert.deepEqual(
      found.map(({ said }) => said),
      [[], []],
    )
  })
})

describe('The signs of other servers', () => {
  it('count until three are missing, and texts that are no signs never count', async () => {
    const clock = new SimulatedClock()
    const said: string[] = []
    const signs = new ClockSigns({ clock, name: 'aa', send: () => {}, warn: (message) => said.push(message) })
    signs.start()
    for (const text of ['', 'bb', 'bb x', `aa ${clock.now() + 9000}`, `bb ${'9'.repeat(16)}`, `B/B ${clock.now() + 9000}`]) signs.take(text)
    assert.deepEqual([signs.behindMs, said.length], [0, 0])
    signs.take(`bb ${clock.now() + 9000}`)
    signs.take(`cc ${clock.now() + 3000}`)
    assert.deepEqual([signs.behindMs, said.length], [9000, 1])
    await clock.advance(150_000)
    assert.equal(signs.behindMs, 0)
    signs.close()
  })
})

describe('A server on a cluster', () => {
  it('sends no sign of its clock if it was closed while it started', async () => {
    const clock = new SimulatedClock()
    const sent: string[] = []
    const signs = new ClockSigns({ clock, name: 'aa', send: (sign) => sent.push(sign), warn: () => {} })
    signs.close()
    signs.start()
    await clock.advance(100_000)
    assert.deepEqual(sent, [])
  })
})
