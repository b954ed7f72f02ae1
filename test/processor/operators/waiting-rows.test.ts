import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { joinWaiting } from '../../../processor/metrics/task-meters.ts'
import { dueKey } from '../../../processor/operators/due-index.ts'
import { WaitingRows } from '../../../processor/operators/waiting-rows.ts'
import type { LogTraits } from '../../../processor/ports.ts'
import type { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { type FunctionSwarm, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { settled } from '../../support/settled.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const yaml = `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: quick, type: function, input: {name: entrance}}
  - {name: slow, type: function, input: {name: entrance}}
  - {name: both, type: function, input: {join: [quick, slow]}, timeout_seconds: 60, on_timeout: partial}
  - {name: answer, type: respond, input: {name: both}}
`
const onCluster: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const places = { 'in one process': false, 'on a cluster': true } as const

/** A swarm with a join, whose bee `slow` ends only when the test says so. The swarm can be killed and started again on the same disk. */
class Scene {
  readonly world: SimulatedWorld
  /** While it is false, calls of `slow` wait. */
  #goesOn = false
  readonly #waiting: (() => void)[] = []
  readonly #files = new SimulatedStateFiles('p')
  readonly #isCluster: boolean
  #swarm: FunctionSwarm | null = null
  #log: SimulatedLog | null = null

  constructor(isCluster: boolean) {
    this.#isCluster = isCluster
    this.world = new SimulatedWorld(isCluster ? { traits: onCluster, keepsState: false } : {})
  }

  get swarm(): FunctionSwarm {
    assert.ok(this.#swarm)
    return this.#swarm
  }

  async start(): Promise<void> {
    const functions = {
      quick: () => 1,
      slow: () => (this.#goesOn ? 2 : new Promise((resolve) => void this.#waiting.push(() => resolve(2)))),
      both: (input: unknown) => input,
    }
    const ofCluster = this.#isCluster
      ? { answerPartitions: 2, commitIntervalMs: 20, states: new SimulatedStateDirectory(this.#files), duplicateRetentionMs: 1000 }
      : {}
    this.#log = this.world.boot()
    this.#swarm = await settled(this.world.clock, startSwarm(this.world, this.#log, yaml, functions, new Map(), ofCluster))
    await this.world.clock.advance(100)
  }

  async send(count: number): Promise<void> {
    for (let at = 0; at < count; at++) void this.swarm.requests.request(newRequest(`${this.world.clock.now()}-${at}`)).catch(() => {})
    await this.world.clock.advance(1000)
  }

  /** Ends the process. Unfinished calls of bees are made again after the next start. */
  async restart(): Promise<void> {
    await settled(this.world.clock, this.swarm.close())
    await this.start()
  }

  async goOn(): Promise<void> {
    this.#goesOn = true
    for (const resolve of this.#waiting.splice(0)) resolve()
    await this.world.clock.advance(2000)
  }

  /** The gauge of both tasks of the join. */
  get pending(): number {
    const found = this.swarm.application.metrics(this.world.clock.now()).filter(({ name }) => name === joinWaiting)
    return found.reduce((sum, { value }) => sum + value, 0)
  }

  async end(): Promise<void> {
    await settled(this.world.clock, this.swarm.close())
    assert.deepEqual(this.swarm.failures, [])
  }
}

for (const [place, isCluster] of Object.entries(places))
  describe(`The count of requests that wait in a join, ${place},`, () => {
    it('is the same after a restart, and falls to 0 when their inputs have come', async () => {
      const scene = new Scene(isCluster)
      await scene.start()
      await scene.send(5)
      assert.equal(scene.pending, 5)
      await scene.restart()
      assert.equal(scene.pending, 5)
      await scene.send(2)
      assert.equal(scene.pending, 7)
      await scene.restart()
      assert.equal(scene.pending, 7)
      await scene.goOn()
      assert.equal(scene.pending, 0)
      await scene.end()
    })

    it('falls to 0 after a restart when their deadline passes', async () => {
      const scene = new Scene(isCluster)
      await scene.start()
      await scene.send(3)
      await scene.restart()
      assert.equal(scene.pending, 3)
      await scene.world.clock.advance(61_000)
      assert.equal(scene.pending, 0)
      await scene.restart()
      assert.equal(scene.pending, 0)
      await scene.end()
    })

    it('does not include requests that are joined, which the store remembers', async () => {
      const scene = new Scene(isCluster)
      await scene.start()
      await scene.goOn()
      await scene.send(4)
      await scene.restart()
      assert.equal(scene.pending, 0)
      await scene.end()
    })
  })

describe('The count of more waiting requests than one slice counts', () => {
  it('is complete soon after a restart, and exact while requests come and go', async () => {
    const scene = new Scene(false)
    await scene.start()
    await scene.send(2500)
    assert.equal(scene.pending, 2500)
    await scene.restart()
    await scene.send(10)
    assert.equal(scene.pending, 2510)
    await scene.goOn()
    assert.equal(scene.pending, 0)
    await scene.end()
  })
})

it('Rows that come and go while earlier rows are still counted are counted once, wherever they lie in the index', () => {
  const timeoutMs = 1000
  let nowMs = 50_000
  let slice = () => {}
  const index = new Map<string, string>()
  const store = {
    *range(from: string | null, to: string | null) {
      for (const key of [...index.keys()].sort())
        if ((from === null || key >= from) && (to === null || key < to)) yield [key, index.get(key) ?? ''] as [string, string]
    },
  }
  const context = {
    get currentSystemTime() {
      return nowMs
    },
    schedule: (_every: number, _type: string, punctuate: () => void) => {
      slice = punctuate
      return {
        cancel: () => {
          slice = () => {}
        },
      }
    },
  }
  for (let row = 0; row < 3500; row++) index.set(dueKey(nowMs + 500 + (row % 400), `old-${row}`), '')
  const waiting = { count: 0 }
  const rows = new WaitingRows({ store: store as never, context: context as never, timeoutMs, waiting })
  const added = [100, 650, 800, timeoutMs, timeoutMs + 300].map((inMs) => ({ key: `new-${inMs}`, due: nowMs + inMs }))
  nowMs += 400
  for (const { key, due } of added) {
    index.set(dueKey(due, key), '')
    rows.came(key, due)
  }
  for (let more = 0; more < 5; more++) slice()
  assert.equal(waiting.count, 3505)
  for (const { key, due } of added) {
    index.delete(dueKey(due, key))
    rows.left(key, due)
  }
  assert.equal(waiting.count, 3500)
})
