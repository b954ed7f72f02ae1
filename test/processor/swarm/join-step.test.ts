import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { applicationIdOf } from '../../../topology/topic-names.ts'
import { type FunctionSwarm, newRequest, type Rows, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const answersRetentionMs = 60_000
const onCluster: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const places = { 'in one process': false, 'on a cluster': true } as const

function swarmOf(settings: string): string {
  return `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: quick, type: function, input: {name: entrance}}
  - {name: slow, type: function, input: {name: entrance}}
  - {name: both, type: function, input: {join: [quick, slow]}, timeout_seconds: 1, ${settings}}
  - {name: save, type: rows, input: {name: both}}
  - {name: answer, type: respond, input: {name: both}}
`
}

/** A swarm whose bee `slow` takes five seconds, which is longer than the join waits. */
class Scene {
  readonly world: SimulatedWorld
  readonly rows: Rows = new Map()
  readonly joined: unknown[] = []
  #swarm: FunctionSwarm | null = null

  private constructor(isCluster: boolean) {
    this.world = new SimulatedWorld(isCluster ? { traits: onCluster, keepsState: false } : {})
  }

  static async open(settings: string, isCluster = false): Promise<Scene> {
    const scene = new Scene(isCluster)
    const { world, rows, joined } = scene
    const functions = {
      quick: () => 1,
      slow: () => new Promise((resolve) => void world.clock.after(5000, () => resolve(2))),
      both(input: unknown) {
        joined.push(input)
        return input
      },
    }
    const states = new SimulatedStateDirectory(new SimulatedStateFiles('p'))
    const ofCluster = isCluster ? { answerPartitions: 4, commitIntervalMs: 20, states, duplicateRetentionMs: 1000 } : {}
    void startSwarm(world, world.boot(), swarmOf(settings), functions, rows, { answersRetentionMs, ...ofCluster }).then((swarm) => {
      scene.#swarm = swarm
    })
    await world.clock.until(() => scene.#swarm !== null)
    return scene
  }

  get swarm(): FunctionSwarm {
    assert.ok(this.#swarm)
    return this.#swarm
  }

  /** Sends a request, and waits until long after the slow bee has returned. */
  async send(id: string): Promise<void> {
    void this.swarm.requests.request(newRequest(id)).catch(() => {})
    await this.world.clock.advance(10_000)
  }

  /** The number of rows in the join's store. */
  get stored(): number {
    return [0, 1].reduce((sum, partition) => {
      const store = this.world.disk.store(`${applicationIdOf('s')}/${partition}`, 'both-join')
      return sum + [...store.range(null, null)].length
    }, 0)
  }

  async end(): Promise<void> {
    let isClosed = false
    void this.swarm.close().then(() => {
      isClosed = true
    })
    await this.world.clock.until(() => isClosed)
  }
}

describe('A join whose deadline passes before all its inputs have come', () => {
  for (const [place, isCluster] of Object.entries(places)) {
    it(`ignores an input that comes late, so the bee is called once and one row is saved, ${place}`, async () => {
      const scene = await Scene.open('on_timeout: partial', isCluster)
      await scene.send('one')
      assert.deepEqual([scene.joined, [...scene.rows]], [[{ quick: 1 }], [['both/one', 1]]])
      await scene.end()
    })
  }

  it('fails once under on_timeout: fail', async () => {
    const scene = await Scene.open('on_timeout: fail')
    await scene.send('one')
    assert.deepEqual(
      scene.swarm.failedRecords.map((record) => record.split(' ').slice(0, 2)),
      [['WAGGLE_JOIN_TIMEOUT', 'both']],
    )
    await scene.end()
  })

  it('forgets the request when its answer is forgotten', async () => {
    const scene = await Scene.open('on_timeout: partial')
    await scene.send('one')
    assert.equal(scene.stored, 1)
    await scene.world.clock.advance(answersRetentionMs)
    assert.equal(scene.stored, 0)
    await scene.end()
  })
})
