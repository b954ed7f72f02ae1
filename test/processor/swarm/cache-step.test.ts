import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { RequestOutcome } from '../../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, type Functions, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const onCluster: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const places = { 'in one process': false, 'on a cluster': true } as const

const swarmWith = (spec: string) => `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: keep, type: cache, input: {stack: [entrance, model]}, spec: {body: model, ttl_seconds: 60${spec}}}
  - {name: model, type: function, input: {name: keep}}
  - {name: answer, type: respond, input: {name: keep}}`

/** A machine on which a swarm may be started again. */
class Scene {
  readonly world: SimulatedWorld
  readonly #files = new SimulatedStateFiles('p')
  readonly #isCluster: boolean
  readonly #yaml: string
  readonly #functions: Functions
  #swarm: FunctionSwarm | null = null

  constructor(yaml: string, functions: Functions, isCluster = false) {
    this.world = new SimulatedWorld(isCluster ? { traits: onCluster, keepsState: false } : {})
    this.#yaml = yaml
    this.#functions = functions
    this.#isCluster = isCluster
  }

  async start(): Promise<void> {
    const states = new SimulatedStateDirectory(this.#files)
    const options = this.#isCluster ? { answerPartitions: 4, commitIntervalMs: 20, states } : {}
    await this.#until(
      startSwarm(this.world, this.world.boot(), this.#yaml, this.#functions, new Map(), options).then((swarm) => (this.#swarm = swarm)),
    )
  }

  async ask(id: string, body: unknown): Promise<Payload> {
    const { requests } = this.#running
    return (await this.#until<RequestOutcome>(requests.request(newRequest(id, { body })))).answer
  }

  async json(id: string, body: unknown): Promise<unknown> {
    const answer = await this.ask(id, body)
    return answer.kind === 'json' ? answer.json : answer
  }

  async stop(): Promise<void> {
    assert.deepEqual(this.#running.failures, [])
    await this.#until(this.#running.close())
  }

  get #running(): FunctionSwarm {
    if (this.#swarm === null) throw new Error('It does not run')
    return this.#swarm
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | null = null
    let failure: unknown = null
    promise.then(
      (value) => {
        outcome = { value }
      },
      (error: unknown) => {
        failure = error
      },
    )
    await this.world.clock.until(() => outcome !== null || failure !== null)
    if (failure !== null) throw failure
    return (outcome as unknown as { readonly value: T }).value
  }
}

describe('A cache', () => {
  for (const [place, isCluster] of Object.entries(places)) {
    it(`${place} gives equal inputs the same result for a time, even after a restart`, async () => {
      let calls = 0
      const scene = new Scene(swarmWith(''), { model: (input) => ({ input, call: ++calls }) }, isCluster)
      await scene.start()
      assert.deepEqual(await scene.json('a', { x: 1 }), { input: { x: 1 }, call: 1 })
      assert.deepEqual(await scene.json('b', { x: 1 }), { input: { x: 1 }, call: 1 })
      assert.deepEqual(await scene.json('c', { x: 2 }), { input: { x: 2 }, call: 2 })
      await scene.stop()
      await scene.start()
      assert.deepEqual(await scene.json('d', { x: 1 }), { input: { x: 1 }, call: 1 })
      await scene.world.clock.advance(61_000)
      assert.deepEqual(await scene.json('e', { x: 1 }), { input: { x: 1 }, call: 3 })
      await scene.stop()
    })
  }

  it('gives one result to equal requests that come together, and each request its own answer', async () => {
    let calls = 0
    const scene = new Scene(swarmWith(''), { model: () => ++calls })
    await scene.start()
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => scene.json(id, 'same')))
    assert.equal(new Set(answers).size, 1)
    assert.equal(await scene.json('d', 'same'), answers[0])
    await scene.stop()
  })

  it('remembers no error', async () => {
    let calls = 0
    const scene = new Scene(swarmWith(''), {
      model: () => {
        if (++calls === 1) throw new Error('broken')
        return calls
      },
    })
    await scene.start()
    assert.equal((await scene.ask('a', {})).kind, 'error')
    assert.equal(await scene.json('b', {}), 2)
    assert.equal(await scene.json('c', {}), 2)
    await scene.stop()
  })

  it('forgets its oldest result above max_entries, which counts over all partitions', async () => {
    let calls = 0
    const scene = new Scene(swarmWith(', max_entries: 4'), { model: () => ++calls })
    await scene.start()
    for (let at = 0; at < 20; at++) await scene.json(`fill-${at}`, at)
    assert.equal(calls, 20)
    for (let at = 0; at < 20; at++) await scene.json(`again-${at}`, 19 - at)
    assert.ok(calls >= 20 + 16, `${calls} calls`)
    assert.equal(await scene.json('last', 0), calls)
    await scene.stop()
  })

  it('keeps no more bytes than max_bytes, and no result that is larger alone', async () => {
    let calls = 0
    const scene = new Scene(swarmWith(', max_bytes: 2000'), { model: (input) => `${++calls} ${'x'.repeat(Number(input))}` })
    await scene.start()
    const call = async (id: string, size: number) => String(await scene.json(id, size)).split(' ')[0]
    assert.equal(await call('large', 2000), '1')
    assert.equal(await call('large again', 2000), '2')
    assert.equal(await call('small', 600), '3')
    assert.equal(await call('small again', 600), '3')
    for (let at = 0; at < 8; at++) await call(`fill-${at}`, 601 + at)
    assert.equal(await call('small once more', 600), '12')
    await scene.stop()
  })

  it('passes errors through, and may stand behind a filter', async () => {
    let calls = 0
    const yaml = swarmWith('').replace(
      '  - {name: keep, type: cache, input: {stack: [entrance',
      "  - {name: some, type: filter, input: {name: entrance}, spec: {condition: 'go'}}\n  - {name: keep, type: cache, input: {stack: [some",
    )
    const scene = new Scene(yaml, { model: () => ++calls })
    await scene.start()
    const refused = await scene.ask('a', { go: false })
    assert.ok(refused.kind === 'error')
    assert.equal(refused.error.code, 'WAGGLE_NOT_TAKEN')
    assert.equal(await scene.json('b', { go: true }), 1)
    await scene.stop()
  })

  it('may have several bees in its body, and may stand in a loop', async () => {
    let calls = 0
    const scene = new Scene(
      `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: again, type: loop, input: {stack: [entrance, next]}, spec: {while: 'n < \`3\`', body: keep, max_rounds: 9}}
  - {name: keep, type: cache, input: {stack: [again, second]}, spec: {body: first, ttl_seconds: 60}}
  - {name: first, type: function, input: {name: keep}}
  - {name: second, type: function, input: {name: first}}
  - {name: next, type: map, input: {name: keep}, spec: {expression: '@'}}
  - {name: answer, type: respond, input: {name: again}}`,
      { first: (input) => ({ n: (input as { n: number }).n + ++calls / calls }), second: (input) => input },
      true,
    )
    await scene.start()
    assert.deepEqual(await scene.json('a', { n: 0 }), { n: 3 })
    assert.equal(calls, 3)
    assert.deepEqual(await scene.json('b', { n: 1 }), { n: 3 })
    assert.equal(calls, 3)
    await scene.stop()
  })
})
