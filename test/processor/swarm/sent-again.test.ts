import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BeeRequest } from '../../../bees/define-bee.ts'
import type { LogTraits } from '../../../processor/ports.ts'
import type { SimulatedLog } from '../../../processor/simulation/simulated-log.ts'
import { PartSequence, partRecordOf } from '../../../topology/swarm/request/part.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { settled } from '../../support/settled.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const yaml = `
name: twice
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: chat, type: talking, input: {name: entrance}, timeout_seconds: 600}
  - {name: sign, type: function, input: {name: chat}, timeout_seconds: 600}
  - {name: answer, type: respond, input: {name: sign}}
`
const slowYaml = `
name: slow
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: first, type: function, input: {name: entrance}, timeout_seconds: 600}
  - {name: second, type: function, input: {name: first}, timeout_seconds: 600}
  - {name: answer, type: respond, input: {name: second}}
`
const traits: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const parts = 10

/** A swarm whose first bee gives a part each second, and goes on behind the parts of its earlier runs. The second bee takes five seconds. */
class Scene {
  readonly world = new SimulatedWorld({ traits })
  /** The calls of bees, each with the number of its process, such as `chat in 1`. */
  readonly calls: string[] = []
  #processes = 0
  #log: SimulatedLog | null = null
  #swarm: FunctionSwarm | null = null

  async start(): Promise<void> {
    this.#log = this.world.boot()
    const number = ++this.#processes
    const second = () => new Promise<void>((resolve) => void this.world.clock.after(1000, resolve))
    const functions = {
      chat: (_: unknown, request: BeeRequest) => this.#chat(request, { number, second }),
      sign: async (text: unknown) => {
        this.calls.push(`sign in ${number}`)
        for (let left = 5; left > 0; left--) await second()
        return { text }
      },
    }
    this.#swarm = await startSwarm(this.world, this.#log, yaml, functions, new Map(), { answerPartitions: 1, otherGateways: 1, partitions: 1 })
  }

  async *#chat(request: BeeRequest, { number, second }: { readonly number: number; readonly second: () => Promise<void> }): AsyncGenerator<string> {
    const run = this.calls.push(`chat in ${number}`)
    yield* request.parts as Iterable<string>
    for (let at = request.parts.length; at < parts; at++) {
      await second()
      yield `part ${at} of call ${run};`
    }
  }

  /** Sends the request `r` through one of two gateways. Settles with the answer. */
  send(gateway: 'one' | 'other'): Promise<unknown> {
    const requests: Requests | undefined = gateway === 'one' ? this.swarm.requests : this.swarm.others[0]
    assert.ok(requests)
    const answer = requests.request(newRequest('r', { bodyHash: 'h' })).then((outcome) => outcome.answer)
    answer.catch(() => {})
    return answer
  }

  crash(): void {
    this.#log?.crash()
  }

  get swarm(): FunctionSwarm {
    assert.ok(this.#swarm)
    return this.#swarm
  }

  async seconds(count: number): Promise<void> {
    for (let left = count * 20; left > 0; left--) await this.world.clock.advance(50)
  }

  /** The parts of the request, as each reader of the log finds them. */
  get told(): string {
    const sequence = new PartSequence()
    const records = this.world.disk.topics.get('waggle.twice-parts')?.partitions[0]?.records ?? []
    return records
      .flatMap(({ headers, value }) => {
        const part = partRecordOf(headers)
        return part !== null && sequence.take(part) === true ? [JSON.parse(Buffer.from(value ?? []).toString()) as string] : []
      })
      .join('')
  }

  /** Checks that the answer is the parts, and that no call failed. */
  expectParts(answers: readonly unknown[]): void {
    for (const answer of answers) assert.deepEqual(answer, { kind: 'json', json: { text: this.told } })
    assert.match(this.told, new RegExp(`^${Array.from({ length: parts }, (_, at) => `part ${at} of call \\d+;`).join('')}$`))
    assert.deepEqual(this.swarm.failedRecords, [])
    assert.deepEqual(this.swarm.failures, [])
    assert.deepEqual(this.world.disk.topics.get('waggle.twice.dead-letters')?.partitions.flatMap(({ records }) => records) ?? [], [])
  }
}

describe('A request that is sent again to another process', () => {
  for (const [when, after] of [
    ['while its first bee publishes parts', 6],
    ['while its second bee works', 12],
    ['when it has its answer', 30],
  ] as const)
    it(`is computed once, and both callers get the parts as the answer, ${when}`, async () => {
      const scene = new Scene()
      await scene.start()
      const first = scene.send('one')
      await scene.seconds(after)
      const second = scene.send('other')
      scene.expectParts([await settled(scene.world.clock, first), await settled(scene.world.clock, second)])
      assert.deepEqual(scene.calls, ['chat in 1', 'sign in 1'])
    })

  for (const [when, before] of [
    ['publishes parts', 6],
    ['has ended', 12],
  ] as const)
    it(`goes on behind its parts, and is computed by one call of each bee, if the process is killed when its first bee ${when}`, async () => {
      const scene = new Scene()
      await scene.start()
      void scene.send('one')
      await scene.seconds(before)
      scene.crash()
      await scene.seconds(5)
      await scene.start()
      const [first, second] = [scene.send('one'), scene.send('other')]
      scene.expectParts([await settled(scene.world.clock, first), await settled(scene.world.clock, second)])
      assert.deepEqual(
        scene.calls.filter((call) => call.endsWith(' in 2')),
        ['chat in 2', 'sign in 2'],
      )
    })
})

describe('A slow request that is sent again', () => {
  it('holds up no other request of its partition, whichever bee is slow', async () => {
    for (const slow of ['first', 'second']) {
      const world = new SimulatedWorld({ traits })
      const log = world.boot()
      const wait = (ms: number) => new Promise<void>((resolve) => void world.clock.after(ms, resolve))
      const calls: string[] = []
      const bee = (name: string) => async (given: unknown, request: BeeRequest) => {
        calls.push(`${name} of ${request.id}`)
        await wait(request.id === 'slow' && name === slow ? 60_000 : 10)
        return given
      }
      const functions = { first: bee('first'), second: bee('second') }
      const swarm = await startSwarm(world, log, slowYaml, functions, new Map(), { answerPartitions: 1, otherGateways: 1, partitions: 1 })
      const answered: string[] = []
      const ask = (requests: Requests | undefined, id: string) =>
        void requests?.request(newRequest(id, { bodyHash: 'h' })).then(() => answered.push(id))
      const seconds = async (count: number) => {
        for (let left = count * 20; left > 0; left--) await world.clock.advance(50)
      }
      ask(swarm.requests, 'slow')
      await seconds(2)
      ask(swarm.others[0], 'slow')
      await seconds(1)
      for (const id of ['a', 'b', 'c']) ask(swarm.requests, id)
      await seconds(2)
      // The bees of the first sub-topology keep the order of all requests, except the last bee.
      assert.deepEqual(answered, slow === 'second' ? ['a', 'b', 'c'] : [])
      await seconds(70)
      assert.deepEqual(answered.toSorted(), ['a', 'b', 'c', 'slow', 'slow'])
      assert.deepEqual(
        calls.filter((call) => call.endsWith(' of slow')),
        ['first of slow', 'second of slow'],
      )
    }
  })
})
