import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Responded } from '../../../bees/define-bee.ts'
import type { LogTraits } from '../../../processor/ports.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../../processor/simulation/simulated-state-directory.ts'
import { textHeader } from '../../../topology/record.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { RequestOutcome } from '../../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, type Functions, newRequest, type Rows, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

/** A cluster hands no value on in memory, so every record is read from its bytes. */
const onCluster: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const places = { 'in one process': false, 'on a cluster': true } as const

class Scene {
  readonly world: SimulatedWorld
  readonly swarm: FunctionSwarm
  readonly rows: Rows

  private constructor(world: SimulatedWorld, swarm: FunctionSwarm, rows: Rows) {
    this.world = world
    this.swarm = swarm
    this.rows = rows
  }

  static async open(bees: string, functions: Functions | ((world: SimulatedWorld) => Functions), isCluster = false): Promise<Scene> {
    const rows: Rows = new Map()
    const world = new SimulatedWorld(isCluster ? { traits: onCluster, keepsState: false } : {})
    const yaml = `name: s\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n${bees}`
    const states = new SimulatedStateDirectory(new SimulatedStateFiles('p'))
    const options = isCluster ? { answerPartitions: 4, commitIntervalMs: 20, states } : {}
    let swarm: FunctionSwarm | null = null
    void startSwarm(world, world.boot(), yaml, typeof functions === 'function' ? functions(world) : functions, rows, options).then((started) => {
      swarm = started
    })
    await world.clock.until(() => swarm !== null)
    return new Scene(world, swarm as unknown as FunctionSwarm, rows)
  }

  async ask(id: string, body: unknown, deadlineMs: number | null = null): Promise<Payload> {
    let outcome: RequestOutcome | null = null
    const deadline = deadlineMs === null ? {} : { deadline: this.world.clock.now() + deadlineMs }
    void this.swarm.requests.request(newRequest(id, { body, ...deadline })).then((given) => {
      outcome = given
    })
    await this.world.clock.until(() => outcome !== null)
    return (outcome as unknown as RequestOutcome).answer
  }

  count(topic: string): number {
    return (this.world.disk.topics.get(topic)?.partitions ?? []).reduce((sum, { records }) => sum + records.length, 0)
  }

  async end(): Promise<void> {
    assert.deepEqual(this.swarm.failures, [])
    let isClosed = false
    void this.swarm.close().then(() => {
      isClosed = true
    })
    await this.world.clock.until(() => isClosed)
  }
}

/** The JSON of an answer, or the status and the detail of an error. */
function said(answer: Payload): unknown {
  if (answer.kind === 'json') return answer.json
  return answer.kind === 'error' ? `${answer.error.status} ${answer.error.bee}: ${answer.error.detail}` : answer.kind
}

describe('A filter', () => {
  const bees = `
  - {name: rich, type: filter, input: {name: entrance}, spec: {condition: 'amount > \`100\`'}}
  - {name: work, type: function, input: {name: rich}}
  - {name: save, type: rows, input: {name: work}}
  - {name: answer, type: respond, input: {name: work}}`

  it('passes a request on unchanged if its condition holds', async () => {
    const scene = await Scene.open(bees, { work: (input) => input })
    assert.deepEqual(said(await scene.ask('a', { amount: 101 })), { amount: 101 })
    await scene.world.clock.until(() => scene.rows.size === 1)
    await scene.end()
  })

  it('answers a request that does not pass with 422, calls no later bee, saves no row and writes no dead letter', async () => {
    let calls = 0
    const scene = await Scene.open(bees, { work: () => calls++ })
    assert.equal(said(await scene.ask('a', { amount: 100 })), '422 rich: rich let the request go no further: its condition does not hold')
    await scene.world.clock.advance(2000)
    assert.deepEqual([calls, scene.rows.size, scene.count('waggle.s.dead-letters')], [0, 0, 0])
    assert.deepEqual(scene.swarm.failedRecords, [])
    await scene.end()
  })

  it('fails a request with a dead letter if its condition is neither true nor false', async () => {
    const scene = await Scene.open(bees, {})
    assert.match(String(said(await scene.ask('a', { amont: 101 }))), /^502 rich: .*gave null, which is neither true nor false/)
    await scene.world.clock.until(() => scene.count('waggle.s.dead-letters') === 1)
    assert.match(scene.swarm.failedRecords.join(), /^WAGGLE_EXPRESSION rich a /)
    await scene.end()
  })
})

const routed = `
  - {name: by-size, type: route, input: {name: entrance}, spec: {routes: {big: 'size > \`10\`', small: 'size > \`0\`'}}}
  - {name: big, type: function, input: {name: by-size}}
  - {name: small, type: function, input: {name: by-size}}`

describe('A route', () => {
  const bees = `${routed}
  - {name: one, type: merge, input: {stack: [big, small]}}
  - {name: answer, type: respond, input: {name: one}}`

  for (const [place, isCluster] of Object.entries(places)) {
    it(`${place} sends a request to the first reader whose condition holds, and merge passes its result on`, async () => {
      const calls: string[] = []
      const note = (bee: string) => (input: unknown) => {
        calls.push(bee)
        return { bee, input }
      }
      const scene = await Scene.open(bees, { big: note('big'), small: note('small') }, isCluster)
      assert.deepEqual(said(await scene.ask('a', { size: 11 })), { bee: 'big', input: { size: 11 } })
      assert.deepEqual(said(await scene.ask('b', { size: 1 })), { bee: 'small', input: { size: 1 } })
      assert.deepEqual(calls, ['big', 'small'])
      await scene.end()
    })
  }

  it('answers a request for which no condition holds with 422', async () => {
    const scene = await Scene.open(bees, {})
    assert.equal(said(await scene.ask('a', { size: 0 })), '422 by-size: by-size has no branch for the request: none of its conditions holds')
    await scene.end()
  })

  it('sends a request for which no condition holds to its default', async () => {
    const withDefault = bees.replace("small: 'size > `0`'}", "small: 'size > `0`'}, default: big")
    const scene = await Scene.open(withDefault, { big: () => 'by default' })
    assert.equal(said(await scene.ask('a', { size: 0 })), 'by default')
    await scene.end()
  })

  it('may lead by several branches to a respond bee, which answers with the result of the branch that the request took', async () => {
    const direct = `${routed}
  - {name: answer, type: respond, input: {stack: [big, small]}}`
    const slow: Functions = { big: () => 'big', small: () => 'small' }
    const scene = await Scene.open(direct, slow)
    assert.equal(said(await scene.ask('a', { size: 11 })), 'big')
    assert.equal(said(await scene.ask('b', { size: 1 })), 'small')
    assert.match(String(said(await scene.ask('c', { size: 0 }))), /^422 by-size/)
    await scene.end()
  })

  it('with match: all sends a request to every reader whose condition holds, and a join waits only for these readers', async () => {
    const all = `${routed.replace("{routes: {big: 'size > `10`', small", "{match: all, routes: {big: 'size > `10`', small")}
  - {name: both, type: function, input: {join: [big, small]}, timeout_seconds: 1000}
  - {name: answer, type: respond, input: {name: both}}`
    for (const isCluster of Object.values(places)) {
      const scene = await Scene.open(all, { big: () => 'B', small: () => 'S', both: (input) => input }, isCluster)
      assert.deepEqual(said(await scene.ask('a', { size: 11 })), { big: 'B', small: 'S' })
      const before = scene.world.clock.now()
      assert.deepEqual(said(await scene.ask('b', { size: 1 })), { small: 'S' })
      assert.ok(scene.world.clock.now() - before < 1000)
      assert.match(String(said(await scene.ask('c', { size: 0 }))), /^422 by-size/)
      await scene.end()
    }
  })

  it('over a join passes bytes on to the branch unchanged if its condition is about the other input', async () => {
    const scene = await Scene.open(
      `
  - {name: picture, type: function, input: {name: entrance}}
  - {name: facts, type: function, input: {name: entrance}}
  - {name: by-kind, type: route, input: {join: [picture, facts]}, spec: {routes: {a: "facts.kind == 'a'"}, default: b}}
  - {name: a, type: function, input: {name: by-kind}}
  - {name: b, type: function, input: {name: by-kind}}
  - {name: one, type: merge, input: {stack: [a, b]}}
  - {name: answer, type: respond, input: {name: one}}`,
      {
        picture: () => ({ contentType: 'image/png', bytes: new Uint8Array([1, 2]) }),
        facts: (input) => input,
        a: (input) => ({ a: [...(input as { picture: Uint8Array }).picture] }),
        b: () => 'b',
      },
      true,
    )
    assert.deepEqual(said(await scene.ask('x', { kind: 'a' })), { a: [1, 2] })
    assert.equal(said(await scene.ask('y', { kind: 'c' })), 'b')
    await scene.end()
  })
})

describe('A branch', () => {
  it('may lead past a bee straight to a merge or a join', async () => {
    const scene = await Scene.open(
      `
  - {name: way, type: route, input: {name: entrance}, spec: {routes: {work: 'n > \`1\`'}, default: one}}
  - {name: work, type: function, input: {name: way}}
  - {name: one, type: merge, input: {stack: [way, work]}}
  - {name: again, type: route, input: {name: one}, spec: {match: all, routes: {more: 'n > \`2\`', both: 'n > \`0\`'}}}
  - {name: more, type: function, input: {name: again}}
  - {name: both, type: map, input: {join: [again, more]}, spec: {expression: '@'}}
  - {name: answer, type: respond, input: {name: both}}`,
      { work: (input) => ({ ...(input as object), work: true }), more: () => 'more' },
      true,
    )
    assert.deepEqual(said(await scene.ask('a', { n: 1 })), { again: { n: 1 } })
    assert.deepEqual(said(await scene.ask('b', { n: 2 })), { again: { n: 2, work: true } })
    assert.deepEqual(said(await scene.ask('c', { n: 3 })), { again: { n: 3, work: true }, more: 'more' })
    await scene.end()
  })

  it('is left out of a joined answer if the request did not take it', async () => {
    const scene = await Scene.open(
      `${routed}
  - {name: answer, type: respond, input: {join: [big, small]}}`,
      { big: () => 'big', small: () => 'small' },
    )
    const answer = await scene.ask('a', { size: 1 })
    assert.ok(answer.kind === 'joined')
    assert.deepEqual([...answer.parts], [['small', { kind: 'json', json: 'small' }]])
    await scene.end()
  })

  it('may be read through a batch, which has rows only of its own requests', async () => {
    const sizes: number[] = []
    const scene = await Scene.open(
      `
  - {name: way, type: route, input: {name: entrance}, spec: {routes: {gather: 'big'}, default: small}}
  - {name: gather, type: batch, input: {name: way}, spec: {batch_size: 3, timeout_seconds: 1, release: full}}
  - {name: big, type: function, input: {name: gather}}
  - {name: small, type: function, input: {name: way}}
  - {name: save, type: rows, input: {stack: [big, small]}}
  - {name: answer, type: respond, input: {stack: [big, small]}}`,
      { big: (input) => sizes.push((input as { at: number }).at), small: () => 'small' },
    )
    const answers = await Promise.all([...'abcdef'].map((id, at) => scene.ask(id, { big: at % 2 === 0, at })))
    assert.deepEqual(answers.map(said).filter((answer) => answer === 'small').length, 3)
    assert.deepEqual(sizes.toSorted(), [0, 2, 4])
    await scene.world.clock.until(() => scene.rows.size === 6)
    await scene.world.clock.advance(2000)
    assert.deepEqual([...scene.rows.keys()].toSorted(), ['big/a', 'big/c', 'big/e', 'small/b', 'small/d', 'small/f'])
    await scene.end()
  })

  it('whose expression gets bytes, or takes too many steps, fails the request with a dead letter', async () => {
    const scene = await Scene.open(
      `
  - {name: made, type: function, input: {name: entrance}}
  - {name: few, type: filter, input: {name: made}, spec: {condition: 'length(list[*].[$.list[*]]) > \`0\`'}}
  - {name: answer, type: respond, input: {name: few}}`,
      { made: (input) => (input === 'bytes' ? new Uint8Array(3) : { list: Array(Number(input)).fill(0) }) },
    )
    assert.deepEqual(said(await scene.ask('a', 10)), { list: Array(10).fill(0) })
    assert.match(String(said(await scene.ask('b', 'bytes'))), /^502 few: An expression reads JSON, and the input is application\/octet-stream/)
    assert.match(String(said(await scene.ask('c', 1000))), /^502 few: .* takes more than 100000 steps/)
    await scene.world.clock.until(() => scene.count('waggle.s.dead-letters') === 2)
    assert.equal(scene.swarm.failedRecords.filter((line) => line.startsWith('WAGGLE_EXPRESSION few')).length, 2)
    await scene.end()
  })
})

describe('A merge', () => {
  const race = `
  - {name: slow, type: function, input: {name: entrance}}
  - {name: fast, type: function, input: {name: entrance}}
  - {name: first, type: merge, input: {stack: [slow, fast]}}
  - {name: after, type: function, input: {name: first}}
  - {name: answer, type: respond, input: {name: after}}`
  const racers = (world: SimulatedWorld, calls: string[], fast: () => unknown = () => 'fast'): Functions => ({
    slow: () => new Promise((resolve) => void world.clock.after(500, () => resolve('slow'))),
    fast,
    after: (input) => {
      calls.push(String(input))
      return input
    },
  })

  it('passes on the first result, and drops the later result', async () => {
    const calls: string[] = []
    const scene = await Scene.open(race, (world) => racers(world, calls))
    assert.equal(said(await scene.ask('a', {})), 'fast')
    await scene.world.clock.advance(5000)
    assert.deepEqual(calls, ['fast'])
    assert.equal(scene.count('waggle.s.first'), 1)
    await scene.end()
  })

  it('passes on the first error, and waits for the other input with on_error: skip', async () => {
    const fails = () => {
      throw new Error('broken')
    }
    for (const [settings, expected] of [
      ['', /^502 fast: broken/],
      [', on_error: skip', /^slow$/],
    ] as const) {
      const scene = await Scene.open(race.replace('{stack: [slow, fast]}', `{stack: [slow, fast]}${settings}`), (world) => racers(world, [], fails))
      assert.match(String(said(await scene.ask('a', {}))), expected)
      await scene.end()
    }
  })

  it('fails a request without a result within timeout_seconds, and names the missing inputs', async () => {
    const bees = `${routed}
  - {name: one, type: merge, input: {stack: [big, small]}, timeout_seconds: 2}
  - {name: answer, type: respond, input: {name: one}}`
    const scene = await Scene.open(bees, ({ clock }) => ({ big: () => new Promise((resolve) => void clock.after(9000, () => resolve('late'))) }))
    assert.match(String(said(await scene.ask('a', { size: 11 }))), /^504 one: one waited in vain for big/)
    await scene.world.clock.advance(20_000)
    assert.equal(scene.count('waggle.s.answer'), 1)
    await scene.end()
  })
})

describe('A loop', () => {
  const refine = (settings = '') => `
  - {name: refine, type: loop, input: {stack: [entrance, improve]}, spec: {while: 'score < \`5\`', body: improve, max_rounds: 3${settings}}}
  - {name: improve, type: function, input: {name: refine}}
  - {name: answer, type: respond, input: {name: refine}}`
  const plusOne: Functions = { improve: (input) => ({ score: (input as { score: number }).score + 1 }) }

  it('repeats its body while the condition holds', async () => {
    for (const isCluster of Object.values(places)) {
      const scene = await Scene.open(refine(), plusOne, isCluster)
      assert.deepEqual(said(await scene.ask('a', { score: 3 })), { score: 5 })
      assert.deepEqual(said(await scene.ask('b', { score: 9 })), { score: 9 })
      assert.equal(scene.count('waggle.s.improve'), 2)
      await scene.end()
    }
  })

  it('gives the last result after max_rounds, and with on_limit: fail an error with a dead letter', async () => {
    const passes = await Scene.open(refine(), plusOne)
    assert.deepEqual(said(await passes.ask('a', { score: 0 })), { score: 3 })
    await passes.end()
    const fails = await Scene.open(refine(', on_limit: fail'), plusOne)
    assert.match(String(said(await fails.ask('a', { score: 0 }))), /^502 refine: refine sent the request round 3 times/)
    assert.match(fails.swarm.failedRecords.join(), /^WAGGLE_MAX_ROUNDS refine a /)
    await fails.world.clock.until(() => fails.count('waggle.s.dead-letters') === 1)
    await fails.end()
  })

  it('ends with the error of a bee in its body', async () => {
    const scene = await Scene.open(refine(), {
      improve: () => {
        throw new Error('broken')
      },
    })
    assert.equal(said(await scene.ask('a', { score: 0 })), '502 improve: broken')
    await scene.end()
  })

  it('ends at the deadline of its request', async () => {
    const scene = await Scene.open(refine(), ({ clock }) => ({
      improve: (input) => new Promise((resolve) => void clock.after(900, () => resolve(input))),
    }))
    assert.match(String(said(await scene.ask('a', { score: 0 }, 1000))), /^504 /)
    await scene.end()
  })

  const agent = `
  - {name: agent, type: loop, input: {stack: [entrance, done]}, spec: {while: 'length(todo) > \`0\`', body: choose, max_rounds: 10}}
  - {name: choose, type: route, input: {name: agent}, spec: {routes: {add: "todo[0] == 'add'"}, default: double}}
  - {name: add, type: function, input: {name: choose}}
  - {name: double, type: function, input: {name: choose}}
  - {name: done, type: merge, input: {stack: [add, double]}}
  - {name: answer, type: respond, input: {name: agent}}`
  interface Work {
    readonly todo: readonly string[]
    readonly value: number
  }
  const tools: Functions = {
    add: (input) => ({ todo: (input as Work).todo.slice(1), value: (input as Work).value + 1 }),
    double: (input) => ({ todo: (input as Work).todo.slice(1), value: (input as Work).value * 2 }),
  }

  it('may have branches and a merge in its body, which act anew in each round', async () => {
    for (const isCluster of Object.values(places)) {
      const scene = await Scene.open(agent, tools, isCluster)
      const answer = said(await scene.ask('a', { todo: ['add', 'double', 'add', 'double', 'double'], value: 1 }))
      assert.deepEqual(answer, { todo: [], value: 20 })
      await scene.end()
    }
  })

  it('may have a join in its body', async () => {
    const scene = await Scene.open(
      `
  - {name: again, type: loop, input: {stack: [entrance, sum]}, spec: {while: 'n < \`100\`', body: fan, max_rounds: 10}}
  - {name: fan, type: map, input: {name: again}, spec: {expression: '@'}}
  - {name: x, type: function, input: {name: fan}}
  - {name: y, type: function, input: {name: fan}}
  - {name: sum, type: map, input: {join: [x, y]}, spec: {expression: '{n: x + y}'}}
  - {name: answer, type: respond, input: {name: again}}`,
      { x: (input) => (input as { n: number }).n, y: (input) => (input as { n: number }).n },
      true,
    )
    assert.deepEqual(said(await scene.ask('a', { n: 3 })), { n: 192 })
    await scene.end()
  })

  it('may be part of another loop, and begins anew in each round of that loop', async () => {
    const scene = await Scene.open(
      `
  - {name: outer, type: loop, input: {stack: [entrance, after]}, spec: {while: 'n < \`6\`', body: inner, max_rounds: 10}}
  - {name: inner, type: loop, input: {stack: [outer, step]}, spec: {while: 'n < \`100\`', body: step, max_rounds: 2}}
  - {name: step, type: function, input: {name: inner}}
  - {name: after, type: function, input: {name: inner}}
  - {name: answer, type: respond, input: {name: outer}}`,
      {
        step: (input) => ({ n: (input as { n: number }).n + 1, outer: (input as { outer?: number }).outer ?? 0 }),
        after: (input) => ({ n: (input as { n: number }).n, outer: (input as { outer: number }).outer + 1 }),
      },
    )
    assert.deepEqual(said(await scene.ask('a', { n: 0 })), { n: 6, outer: 3 })
    await scene.end()
  })
})

describe('A branch that leads away from the respond bee', () => {
  const away = `
  - {name: way, type: route, input: {name: entrance}, spec: {routes: {aside: 'n > \`1\`', straight: 'n > \`0\`'}, default: nowhere}}
  - {name: straight, type: function, input: {name: way}}
  - {name: aside, type: answering, input: {name: way}, timeout_seconds: 60}
  - {name: last, type: answering, input: {name: aside}}
  - {name: nowhere, type: rows, input: {name: way}}
  - {name: answer, type: respond, input: {name: straight}}`
  const publishes = (input: unknown) => input

  for (const [place, isCluster] of Object.entries(places)) {
    it(`gets its answer from a bee that responds, however long the bee takes, ${place}`, async () => {
      const responds = ({ clock }: SimulatedWorld) => ({
        straight: () => 'straight',
        aside: () => new Promise((resolve) => void clock.after(20_000, () => resolve(new Responded('aside', null)))),
        last: publishes,
      })
      const scene = await Scene.open(away, responds, isCluster)
      assert.deepEqual([said(await scene.ask('a', { n: 2 })), said(await scene.ask('b', { n: 1 }))], ['aside', 'straight'])
      await scene.end()
    })

    it(`has its answer from the last bee of the branch, if the bee before it only publishes, ${place}`, async () => {
      const scene = await Scene.open(away, { aside: publishes, last: () => new Responded('last', null) }, isCluster)
      assert.equal(said(await scene.ask('a', { n: 2 })), 'last')
      await scene.end()
    })

    it(`is answered with 422 after its last bee has not responded, ${place}`, async () => {
      const scene = await Scene.open(away, { aside: publishes, last: publishes }, isCluster)
      assert.equal(said(await scene.ask('a', { n: 2 })), '422 way: way gave the request to aside, and not to straight')
      await scene.end()
    })

    it(`is answered with the error of a bee that fails in it, ${place}`, async () => {
      const fails = () => {
        throw new Error('broken')
      }
      const scene = await Scene.open(away, { aside: fails, last: publishes }, isCluster)
      assert.match(String(said(await scene.ask('a', { n: 2 }))), /^502 aside: .*broken/)
      await scene.end()
    })

    it(`is answered with 422 at once if none of its bees may respond, ${place}`, async () => {
      let calls = 0
      const scene = await Scene.open(away, { aside: () => calls++, last: () => calls++ }, isCluster)
      const askedAt = scene.world.clock.now()
      assert.equal(said(await scene.ask('a', { n: 0 })), '422 way: way gave the request to nowhere, and not to straight')
      assert.ok(scene.world.clock.now() - askedAt < 1000)
      assert.equal(calls, 0)
      await scene.end()
    })
  }

  it('has its answer from a bee in a loop, in whichever round it responds', async () => {
    const bees = `
  - {name: way, type: route, input: {name: entrance}, spec: {routes: {straight: 'n > \`9\`'}, default: again}}
  - {name: straight, type: function, input: {name: way}}
  - {name: again, type: loop, input: {stack: [way, step]}, spec: {while: 'n < \`5\`', body: step, max_rounds: 20}}
  - {name: step, type: answering, input: {name: again}}
  - {name: save, type: rows, input: {name: again}}
  - {name: answer, type: respond, input: {name: straight}}`
    const step = (input: unknown) => {
      const { n } = input as { readonly n: number }
      return n === 3 ? new Responded('found', null) : { n: n + 1 }
    }
    const scene = await Scene.open(bees, { step }, true)
    assert.equal(said(await scene.ask('a', { n: 0 })), 'found')
    assert.match(String(said(await scene.ask('b', { n: 4 }))), /^422 way: /)
    await scene.end()
  })

  it('has its answer from a bee that reads several bees as they come, whichever record it responds to', async () => {
    const bees = `
  - {name: way, type: filter, input: {name: entrance}, spec: {condition: 'n > \`0\`'}}
  - {name: straight, type: function, input: {name: way}}
  - {name: one, type: function, input: {name: entrance}}
  - {name: two, type: function, input: {name: entrance}}
  - {name: each, type: answering, input: {stack: [one, two]}}
  - {name: answer, type: respond, input: {name: straight}}`
    const functions = ({ clock }: SimulatedWorld): Functions => ({
      one: () => 'one',
      two: (input) => new Promise((resolve) => void clock.after(3000, () => resolve((input as { readonly two: unknown }).two))),
      each: (input) => (input === 'two' ? new Responded('each', null) : input),
    })
    const scene = await Scene.open(bees, functions)
    assert.equal(said(await scene.ask('a', { n: 0, two: 'two' })), 'each')
    assert.match(String(said(await scene.ask('b', { n: 0, two: 'three' }))), /^422 way: /)
    await scene.end()
  })

  it('is not waited for by a request of another gateway', async () => {
    const bees = `
  - {name: other, type: gateway-input, spec: {name: window}}
  - {name: aside, type: answering, input: {name: other}}
  - {name: way, type: filter, input: {name: entrance}, spec: {condition: 'n > \`0\`'}}
  - {name: answer, type: respond, input: {stack: [way, other]}}`
    const scene = await Scene.open(bees, {})
    assert.match(String(said(await scene.ask('a', { n: 0 }))), /^422 way: /)
    await scene.end()
  })
})

describe('A record on a gateway’s topic', () => {
  it('cannot choose its branch, its round, its place in a cache or its answer by its headers', async () => {
    const world = new SimulatedWorld()
    const log = world.boot()
    const yaml = `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: way, type: route, input: {name: entrance}, spec: {routes: {a: 'n > \`0\`'}, default: b}}
  - {name: a, type: map, input: {name: way}, spec: {expression: '@'}}
  - {name: b, type: map, input: {name: way}, spec: {expression: "'b'"}}
  - {name: keep, type: cache, input: {stack: [a, again]}, spec: {body: again, ttl_seconds: 60}}
  - {name: again, type: loop, input: {stack: [keep, more]}, spec: {while: 'n < \`4\`', body: more, max_rounds: 2}}
  - {name: more, type: map, input: {name: again}, spec: {expression: '{n: n + \`1\`}'}}
  - {name: answer, type: respond, input: {stack: [keep, b]}}`
    const swarm = await startSwarm(world, log, yaml, {}, new Map())
    const notes = [
      'waggle-branches',
      'waggle-rounds',
      'waggle-cache-keys',
      'waggle-cached-request',
      'waggle-error',
      'waggle-answered',
      'waggle-unanswered',
      'waggle-stream-bee',
    ]
    const texts = ['way:b', 'again=2', `keep=${'0'.repeat(64)}.result`, 'somebody', 'WAGGLE_NOT_TAKEN', 'somebody', 'somebody', 'somebody']
    const headers = [
      textHeader('content-type', 'application/json'),
      textHeader('waggle-request-id', 'r'),
      ...notes.map((note, at) => textHeader(note, texts[at] ?? '')),
    ]
    const producer = await log.producer()
    void producer.send({
      topic: 'waggle.gateway.door',
      partition: 0,
      key: null,
      value: Buffer.from('{"n":1}'),
      headers,
      timestamp: world.clock.now(),
    })
    const answers = () => (world.disk.topics.get('waggle.s.answer')?.partitions ?? []).flatMap(({ records }) => records)
    await world.clock.until(() => answers().length > 0)
    const [answer] = answers()
    assert.deepEqual([Buffer.from(answer?.key ?? []).toString(), Buffer.from(answer?.value ?? []).toString()], ['r', '{"n":3}'])
    const kept = new Set(answer?.headers.map(({ key }) => key))
    assert.deepEqual(
      notes.filter((note) => kept.has(note)),
      [],
    )
    let isClosed = false
    void swarm.close().then(() => {
      isClosed = true
    })
    await world.clock.until(() => isClosed)
  })
})

describe('A sample', () => {
  const bees = `
  - {name: some, type: sample, input: {name: entrance}, spec: {fraction: 0.3}}
  - {name: save, type: rows, input: {name: some}}
  - {name: answer, type: respond, input: {name: some}}`

  it('lets its share of the requests pass, and the same requests each time', async () => {
    const passed: string[][] = []
    for (const isCluster of Object.values(places)) {
      const scene = await Scene.open(bees, {}, isCluster)
      const ids = Array.from({ length: 200 }, (_, at) => `request-${at}`)
      const answers = await Promise.all(ids.map((id) => scene.ask(id, {})))
      passed.push(ids.filter((_, at) => answers[at]?.kind === 'json'))
      assert.match(String(answers.map(said).find((one) => typeof one === 'string')), /^422 some: some took another part of the requests/)
      await scene.end()
    }
    assert.deepEqual(passed[0], passed[1])
    const count = passed[0]?.length ?? 0
    assert.ok(count > 40 && count < 80, `${count} of 200 passed`)
  })
})

describe('An ensemble', () => {
  const scores = (x: number) => ({ label: x > 0.5 ? 'x' : 'y', scores: { x, y: 1 - x } })
  const broken = () => {
    throw new Error('broken')
  }
  const joins = (type: string, settings: string) => `
  - {name: way, type: route, input: {name: entrance}, spec: {match: all, routes: {a: 'a', b: 'b'}, default: a}}
  - {name: a, type: function, input: {name: way}}
  - {name: b, type: function, input: {name: way}}
  - {name: c, type: function, input: {name: entrance}}
  - {name: together, type: ${type}, input: {join: [a, b, c]}, ${settings}}
  - {name: answer, type: respond, input: {name: together}}`
  type Answer = {
    readonly label: string
    readonly missing?: readonly string[]
    readonly models: { readonly [bee: string]: { readonly weight: number } }
  }

  for (const type of ['weighted-average-ensemble', 'majority-vote']) {
    it(`of type ${type} names the bees that failed or were late, and scales the weights of the others`, async () => {
      const skips = await Scene.open(joins(type, 'on_error: skip'), { a: () => scores(0.9), b: broken, c: () => scores(0.7) })
      const failed = said(await skips.ask('one', { a: true, b: true })) as Answer
      assert.deepEqual([failed.label, failed.missing], ['x', ['b']])
      assert.deepEqual(
        Object.values(failed.models).map(({ weight }) => weight),
        [0.5, 0.5],
      )
      await skips.end()
      const late = await Scene.open(joins(type, 'on_timeout: partial, timeout_seconds: 1'), ({ clock }) => ({
        a: () => scores(0.9),
        b: () => scores(0.8),
        c: () => new Promise((resolve) => void clock.after(5000, () => resolve(scores(0)))),
      }))
      const partial = said(await late.ask('one', { a: true, b: true })) as Answer
      assert.deepEqual(partial.missing, ['c'])
      await late.end()
    })

    it(`of type ${type} does not report a branch as missing if the request did not take it`, async () => {
      const scene = await Scene.open(joins(type, 'on_error: skip'), { a: () => scores(0.9), b: () => scores(0.1), c: () => scores(0.7) }, true)
      const answer = said(await scene.ask('one', { a: true, b: false })) as Answer
      assert.deepEqual([Object.keys(answer.models), answer.missing], [['a', 'c'], undefined])
      await scene.end()
    })
  }

  it('fails with a dead letter for a prediction without a label or scores', async () => {
    for (const type of ['weighted-average-ensemble', 'majority-vote']) {
      const scene = await Scene.open(joins(type, 'on_error: skip'), { a: () => 5, b: () => 5, c: () => ({ labels: [] }) })
      assert.match(String(said(await scene.ask('one', { a: true, b: true }))), /^502 together: a gave no prediction: \{ /)
      await scene.world.clock.until(() => scene.count('waggle.s.dead-letters') === 1)
      await scene.end()
    }
  })
})
