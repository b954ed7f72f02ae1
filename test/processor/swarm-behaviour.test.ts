import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RequestOutcome } from '../../topology/swarm/request/requests.ts'
import { Refused } from '../../topology/waggle-error.ts'
import { type FunctionSwarm, type Functions, newRequest, predictionsOf, type Rows, startSwarm, threeModels } from '../support/function-swarm.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

interface Scene {
  readonly world: SimulatedWorld
  readonly swarm: FunctionSwarm
  readonly rows: Rows
  ask(id: string, options?: { deadlineMs?: number; bodyHash?: string }): Promise<RequestOutcome>
  records(topic: string): readonly { readonly key: string; readonly headers: { readonly [key: string]: string } }[]
  end(): Promise<void>
}

async function scene(yaml: string, functions: (world: SimulatedWorld) => Functions): Promise<Scene> {
  const world = new SimulatedWorld()
  const rows: Rows = new Map()
  const swarm = await startSwarm(world, world.boot(), yaml, functions(world), rows)
  return {
    world,
    swarm,
    rows,
    async ask(id, { deadlineMs, bodyHash } = {}) {
      let outcome: RequestOutcome | null = null
      let failure: unknown = null
      swarm.requests
        .request(
          newRequest(id, {
            ...(deadlineMs === undefined ? {} : { deadline: world.clock.now() + deadlineMs }),
            ...(bodyHash === undefined ? {} : { bodyHash }),
          }),
        )
        .then(
          (given) => {
            outcome = given
          },
          (error: unknown) => {
            failure = error
          },
        )
      await world.clock.until(() => outcome !== null || failure !== null)
      if (failure !== null) throw failure
      return outcome as unknown as RequestOutcome
    },
    records(topic) {
      const partitions = world.disk.topics.get(topic)?.partitions ?? []
      return partitions.flatMap(({ records }) =>
        records.map(({ key, headers }) => ({
          key: Buffer.from(key ?? []).toString(),
          headers: Object.fromEntries(headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString()])),
        })),
      )
    },
    async end() {
      assert.deepEqual(swarm.failures, [])
      let closed = false
      void swarm.close().then(() => {
        closed = true
      })
      await world.clock.until(() => closed)
    },
  }
}

const with20Seconds = (settings: string) => threeModels.replace('timeout_seconds: 20', settings)

describe('A swarm in the simulator', () => {
  it('answers with the result of its respond bee, and saves each prediction', async () => {
    const { ask, rows, world, end } = await scene(threeModels, predictionsOf)
    const { state, answer } = await ask('one')
    assert.equal(state, 'answered')
    assert.ok(answer.kind === 'json')
    assert.deepEqual((answer.json as { scores: object }).scores, { x: 0.5, y: 0.5 })
    await world.clock.until(() => rows.size === 3)
    assert.deepEqual([...rows.keys()].sort(), ['a/one', 'b/one', 'c/one'])
    await end()
  })

  it('saves the predictions of its answers before it stops', async () => {
    const { ask, rows, end } = await scene(threeModels, predictionsOf)
    await ask('one')
    await end()
    assert.deepEqual([...rows.keys()].sort(), ['a/one', 'b/one', 'c/one'])
  })

  it('computes a request once, however often its id comes, and repeats the stored answer', async () => {
    let calls = 0
    const { ask, end } = await scene(threeModels, (world) => ({
      ...predictionsOf(world),
      prepare(input) {
        calls++
        return input
      },
    }))
    const first = await ask('same', { bodyHash: 'h' })
    const again = await ask('same', { bodyHash: 'h' })
    assert.deepEqual(again.answer, first.answer)
    assert.equal(calls, 1)
    await assert.rejects(ask('same', { bodyHash: 'other' }), { code: 'WAGGLE_KEY_REUSED' })
    await end()
  })

  it('drops a repeated record of its gateway’s topic', async () => {
    const { world, swarm, records, end } = await scene(threeModels, predictionsOf)
    for (let time = 0; time < 3; time++) void swarm.requests.submit(newRequest('again')).catch(() => {})
    await world.clock.until(() => records('waggle.three.answer').length > 0)
    await world.clock.advance(5000)
    assert.equal(records('waggle.three.answer').length, 1)
    assert.equal(records('waggle.three.prepare').length, 1)
    await end()
  })

  it('answers 422 with the bee’s name if a bee refuses an input, and writes no dead letter', async () => {
    const { ask, records, end } = await scene(threeModels, (world) => ({
      ...predictionsOf(world),
      prepare() {
        throw new Refused('Not that')
      },
    }))
    const { state, answer } = await ask('refused')
    assert.equal(state, 'failed')
    assert.ok(answer.kind === 'error')
    assert.equal(answer.error.status, 422)
    assert.equal(answer.error.bee, 'prepare')
    assert.equal(answer.error.detail, 'Not that')
    assert.deepEqual(records('waggle.three.dead-letters'), [])
    await end()
  })

  it('answers 502 if a bee fails, and writes one dead letter with the input and the cause', async () => {
    const { ask, records, rows, world, end } = await scene(threeModels, (world) => ({
      ...predictionsOf(world),
      b() {
        throw new Error('out of memory')
      },
    }))
    const { answer } = await ask('broken')
    assert.ok(answer.kind === 'error')
    assert.equal(answer.error.status, 502)
    assert.equal(answer.error.bee, 'b')
    const letters = records('waggle.three.dead-letters')
    assert.equal(letters.length, 1)
    assert.equal(letters[0]?.key, 'broken')
    assert.equal(letters[0]?.headers['waggle-dead-letter-bee'], 'b')
    assert.match(letters[0]?.headers['waggle-dead-letter-detail'] ?? '', /out of memory/)
    await world.clock.until(() => rows.size === 2)
    await end()
  })

  it('goes on without a failed input if on_error is skip', async () => {
    const { ask, end } = await scene(with20Seconds('on_error: skip'), (world) => ({
      ...predictionsOf(world),
      b() {
        throw new Error('out of memory')
      },
    }))
    const { answer } = await ask('partly')
    assert.ok(answer.kind === 'json')
    assert.deepEqual(Object.keys((answer.json as { models: object }).models), ['a', 'c'])
    await end()
  })

  it('ends a join at its deadline even if no further record comes, and names the missing inputs', async () => {
    const { ask, swarm, end } = await scene(with20Seconds('timeout_seconds: 2'), (world) => ({
      ...predictionsOf(world),
      c: () => new Promise(() => {}),
    }))
    const { answer } = await ask('waiting')
    assert.ok(answer.kind === 'error')
    assert.equal(answer.error.status, 504)
    assert.match(answer.error.detail, /\bc\b/)
    assert.match(swarm.failedRecords.join('\n'), /^WAGGLE_JOIN_TIMEOUT \S+ waiting \d_\d -$/)
    await end()
  })

  it('joins the inputs that have arrived by the deadline if on_timeout is partial', async () => {
    const { ask, end } = await scene(with20Seconds('timeout_seconds: 2, on_timeout: partial'), (world) => ({
      ...predictionsOf(world),
      c: () => new Promise(() => {}),
    }))
    const { answer } = await ask('partly')
    assert.ok(answer.kind === 'json')
    assert.deepEqual(Object.keys((answer.json as { models: object }).models), ['a', 'b'])
    await end()
  })

  it('answers 504 when the request’s deadline passes, and calls no later model for it', async () => {
    const seen: string[] = []
    const { ask, swarm, end } = await scene(threeModels, (world) => ({
      ...predictionsOf(world),
      prepare: (input) => new Promise((resolve) => void world.clock.after(500, () => resolve(input))),
      a: (_, { id }) => seen.push(id),
    }))
    const { answer } = await ask('late', { deadlineMs: 100 })
    assert.ok(answer.kind === 'error')
    assert.equal(answer.error.status, 504)
    await end()
    assert.match(swarm.failedRecords[0] ?? '', /^WAGGLE_DEADLINE \S+ late \d_\d -$/)
    assert.deepEqual(seen, [])
  })

  it('finds a request by its id: first pending, later answered', async () => {
    const { world, swarm, end } = await scene(threeModels, predictionsOf)
    let submitted = false
    void swarm.requests.submit(newRequest('asked')).then(() => {
      submitted = true
    })
    await world.clock.until(() => submitted)
    assert.equal((await swarm.requests.find('asked'))?.state, 'pending')
    assert.equal(await swarm.requests.find('never'), null)
    await world.clock.advance(2000)
    assert.equal((await swarm.requests.find('asked'))?.state, 'answered')
    await end()
  })

  it('goes on after a payload that does not match its content type', async () => {
    const { world, swarm, ask, end } = await scene(threeModels, predictionsOf)
    let outcome: RequestOutcome | null = null
    void swarm.requests.request({ ...newRequest('poison'), body: Buffer.from('{"half') }).then((given) => {
      outcome = given
    })
    await world.clock.until(() => outcome !== null)
    const { answer } = outcome as unknown as RequestOutcome
    assert.ok(answer.kind === 'error')
    assert.equal(answer.error.status, 400)
    assert.equal((await ask('healthy')).state, 'answered')
    await end()
  })
})
