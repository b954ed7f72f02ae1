import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits } from '../../../processor/ports.ts'
import { applicationIdOf } from '../../../topology/topic-names.ts'
import { type FunctionSwarm, type Functions, newRequest, predictionsOf, startSwarm, threeModels } from '../../support/function-swarm.ts'
import { settled } from '../../support/settled.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const answersRetentionMs = 60_000
const duplicateRetentionMs = 10_000
const repeating: LogTraits = { atomicCommit: false, repeatsRecords: true, handsOn: false }

/** A swarm of three models on a log with these traits. */
class Scene {
  readonly world: SimulatedWorld
  readonly swarm: FunctionSwarm
  readonly calls: () => number

  private constructor(world: SimulatedWorld, swarm: FunctionSwarm, calls: () => number) {
    this.world = world
    this.swarm = swarm
    this.calls = calls
  }

  static async start(traits?: LogTraits): Promise<Scene> {
    const world = new SimulatedWorld(traits === undefined ? {} : { traits })
    let calls = 0
    const predictions = predictionsOf(world)
    const functions: Functions = {
      ...predictions,
      a(...call) {
        calls++
        return predictions.a?.(...call)
      },
    }
    const swarm = await startSwarm(world, world.boot(), threeModels, functions, new Map(), {
      answersRetentionMs,
      duplicateRetentionMs,
      ...(traits === undefined ? {} : { answerPartitions: 1 }),
    })
    return new Scene(world, swarm, () => calls)
  }

  async ask(id: string): Promise<string> {
    return (await settled(this.world.clock, this.swarm.requests.request(newRequest(id, { bodyHash: 'h' })))).state
  }

  async stateOf(id: string): Promise<string | null> {
    return (await settled(this.world.clock, this.swarm.requests.find(id)))?.state ?? null
  }

  /** Entries of a store over all tasks, as the last commit left them. */
  entriesOf(store: string): number {
    const tasks = [0, 1].map((partition) => `${applicationIdOf('three')}/${partition}`)
    return tasks.reduce((sum, task) => sum + [...this.world.disk.store(task, store).range(null, null)].length, 0)
  }

  async end(): Promise<void> {
    assert.deepEqual(this.swarm.failures, [])
    await settled(this.world.clock, this.swarm.close())
  }
}

describe('A swarm that forgets', () => {
  const logs = [
    { log: 'on the embedded log', traits: undefined },
    { log: 'on a cluster', traits: repeating },
  ]
  for (const { log, traits } of logs) {
    it(`finds an answer until the answer’s retention has passed, and then keeps neither the answer nor its deadline, ${log}`, async () => {
      const scene = await Scene.start(traits)
      assert.equal(await scene.ask('one'), 'answered')
      await scene.world.clock.advance(answersRetentionMs - 5000)
      assert.equal(await scene.stateOf('one'), 'answered')
      assert.deepEqual([scene.entriesOf('requests'), scene.entriesOf('entrance-seen')], [1, 1])
      assert.ok(scene.entriesOf('requests-due') > 0)
      await scene.world.clock.advance(10_000)
      assert.equal(await scene.stateOf('one'), null)
      assert.deepEqual(
        ['requests', 'requests-due', 'entrance-seen', 'entrance-seen-due'].map((store) => scene.entriesOf(store)),
        [0, 0, 0, 0],
      )
      await scene.end()
    })

    it(`computes a repeated request id once within the retention of answers, and again after it, ${log}`, async () => {
      const scene = await Scene.start(traits)
      await scene.ask('one')
      await scene.world.clock.advance(answersRetentionMs - 5000)
      assert.equal(await scene.ask('one'), 'answered')
      assert.equal(scene.calls(), 1)
      await scene.world.clock.advance(10_000)
      assert.equal(await scene.ask('one'), 'answered')
      assert.equal(scene.calls(), 2)
      await scene.end()
    })
  }

  it('remembers a join’s sent results for the retention of duplicates, and no longer, on a log that repeats records', async () => {
    const scene = await Scene.start(repeating)
    await scene.ask('one')
    await scene.world.clock.advance(duplicateRetentionMs - 2000)
    assert.equal(scene.entriesOf('together-join'), 1)
    await scene.world.clock.advance(4000)
    assert.deepEqual([scene.entriesOf('together-join'), scene.entriesOf('together-join-due')], [0, 0])
    assert.equal(await scene.stateOf('one'), 'answered')
    await scene.end()
  })
})
