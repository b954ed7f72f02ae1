import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { RequestOutcome } from '../../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, type Functions, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

describe('A result of a synchronous bee', () => {
  const opened = async (bees: string, functions: Functions, maxResultBytes: number | null = 100) => {
    const world = new SimulatedWorld()
    const yaml = `name: s\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n${bees}`
    let swarm: FunctionSwarm | null = null
    const options = maxResultBytes === null ? {} : { maxResultBytes }
    void startSwarm(world, world.boot(), yaml, functions, new Map(), options).then((started) => {
      swarm = started
    })
    await world.clock.until(() => swarm !== null)
    const { requests, failedRecords } = swarm as unknown as FunctionSwarm
    return {
      failedRecords,
      async ask(id: string, body: unknown): Promise<Payload> {
        let outcome: RequestOutcome | null = null
        void requests.request(newRequest(id, { body })).then((given) => {
          outcome = given
        })
        await world.clock.until(() => outcome !== null)
        return (outcome as unknown as RequestOutcome).answer
      },
    }
  }
  const map = `  - {name: map, type: map, input: {name: entrance}, spec: {expression: '{text: text}'}}
  - {name: work, type: function, input: {name: map}}
  - {name: more, type: function, input: {name: map}}
  - {name: answer, type: respond, input: {join: [work, more]}}`
  const functions: Functions = { work: () => 1, more: () => 2 }

  it('fails its request with WAGGLE_RESULT_TOO_LARGE, the way out and a dead letter if the log takes no such record', async () => {
    const { ask, failedRecords } = await opened(map, functions)
    assert.equal((await ask('one', { text: 'x'.repeat(80) })).kind, 'joined')
    const answer = await ask('two', { text: 'x'.repeat(100) })
    assert.ok(answer.kind === 'error')
    assert.deepEqual([answer.error.code, answer.error.status, answer.error.bee], ['WAGGLE_RESULT_TOO_LARGE', 502, 'map'])
    assert.match(answer.error.detail, /^map made a result of 111 bytes\. The bee is synchronous.* at most 100 bytes/)
    assert.deepEqual(
      failedRecords.map((record) => record.split(' ').slice(0, 3).join(' ')),
      ['WAGGLE_RESULT_TOO_LARGE map two'],
    )
  })

  it('may have any size on a log that takes it, and for a synchronous bee behind it', async () => {
    const inline = await opened(map, functions, null)
    assert.equal((await inline.ask('one', { text: 'x'.repeat(1_000) })).kind, 'joined')
    const chained = `  - {name: twice, type: map, input: {name: entrance}, spec: {expression: '{one: text, two: text}'}}
  - {name: size, type: map, input: {name: twice}, spec: {expression: 'length(one)'}}
  - {name: answer, type: respond, input: {name: size}}`
    const { ask } = await opened(chained, {})
    assert.deepEqual(await ask('one', { text: 'x'.repeat(90) }), { kind: 'json', json: 90 })
  })

  it('is not refused for an asynchronous bee', async () => {
    const { ask } = await opened(
      `  - {name: work, type: function, input: {name: entrance}}
  - {name: answer, type: respond, input: {name: work}}`,
      { work: () => 'x'.repeat(1_000) },
    )
    assert.deepEqual(await ask('one', 1), { kind: 'json', json: 'x'.repeat(1_000) })
  })
})
