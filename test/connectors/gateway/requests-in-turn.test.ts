import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseTokens } from '../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../connectors/gateway/access/access-tokens.ts'
import { problemOf } from '../../../connectors/gateway/http/problem.ts'
import { RequestsInTurn } from '../../../connectors/gateway/requests-in-turn.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { readBack } from '../../../topology/swarm/request/durable.ts'
import type { NewRequest } from '../../../topology/swarm/request/requests.ts'
import { openEchoGateway, openEchoGrpc, payloadEcho } from '../../support/echo-gateway.ts'
import { newRequest } from '../../support/function-swarm.ts'
import { GrpcCaller } from '../../support/grpc-caller.ts'
import { eventually } from '../../support/swarm-here.ts'

for (const protocol of ['HTTP', 'gRPC'])
  it(`A request over ${protocol} waits for the running request and for at most one more of another caller, however many that caller sent`, async () => {
    const begun: string[] = []
    const works: (() => void)[] = []
    const inner = {
      ...payloadEcho,
      async request(request: NewRequest) {
        begun.push(request.owner ?? '')
        await new Promise<void>((resolve) => void works.push(resolve))
        return payloadEcho.request(request)
      },
    }
    const tokens = new AccessTokens()
    tokens.replace('settings', parseTokens('greedy=greedy-0123456789:ask:*; modest=modest-0123456789:ask:*'))
    const inTurn = new RequestsInTurn({ requests: inner, clock: systemClock, atWork: 1, waiting: 100 })
    let arrived = 0
    const requests = {
      ...payloadEcho,
      request(request: NewRequest) {
        arrived++
        return inTurn.request(request)
      },
    }
    const options = { requests, callers: { areKnown: true, find: (token: string) => tokens.find(token) } }
    const [http, grpc] = [await openEchoGateway(options), await openEchoGrpc(options)]
    const caller = new GrpcCaller(grpc.address)
    try {
      const ask = async (name: string): Promise<boolean> => {
        const headers = { authorization: `Bearer ${name}-0123456789` }
        const message = { gateway: 'door', data: Buffer.from('1') }
        if (protocol === 'gRPC') return (await caller.call('waggle.v1.Gateway/Request', message, { headers })).status === 'OK'
        return (await fetch(`${http.url}/v1/gateways/door/request`, { method: 'POST', body: '1', headers })).ok
      }
      const answers = Array.from({ length: 8 }, () => ask('greedy'))
      await eventually(async () => arrived === 8 && works.length === 1)
      answers.push(ask('modest'))
      await eventually(async () => arrived === 9)
      for (let at = 0; at < 9; at++) {
        await eventually(async () => works.length > at)
        works[at]?.()
      }
      assert.deepEqual(new Set(await Promise.all(answers)), new Set([true]))
      assert.deepEqual(
        begun,
        ['greedy', 'greedy', 'modest', ...Array<string>(6).fill('greedy')].map((name) => `token:${name}`),
      )
    } finally {
      caller.close()
      await Promise.all([http.close(), grpc.close()])
    }
  })

it('A request whose deadline passes while it waits for its turn gets 504 and is never sent, unless it was sent before under its key', async () => {
  const clock = new SimulatedClock()
  const sent: string[] = []
  const work = Promise.withResolvers<void>()
  const requests = {
    ...payloadEcho,
    async request(request: NewRequest) {
      sent.push(request.id)
      await work.promise
      return payloadEcho.request(request)
    },
    find: async (id: string) => (id === 'known' ? readBack({ state: 'pending' as const, answer: null, bodyHash: 'h' }) : null),
  }
  const inTurn = new RequestsInTurn({ requests, clock, atWork: 1, waiting: 1000 })
  const outcomes: string[] = []
  const ask = (id: string, options: { readonly deadline?: number; readonly bodyHash?: string } = {}) =>
    inTurn.request(newRequest(id, options)).then(
      ({ state }) => outcomes.push(`${id} ${state}`),
      (error: unknown) => outcomes.push(`${id} ${problemOf(error, id).status} ${problemOf(error, id).code}`),
    )
  const deadline = clock.now() + 1
  const all = [ask('first'), ask('new', { deadline }), ask('keyed', { deadline, bodyHash: 'h' }), ask('known', { deadline, bodyHash: 'h' })]
  await clock.advance(1)
  assert.deepEqual(sent, ['first', 'known'])
  work.resolve()
  await Promise.all(all)
  assert.deepEqual(outcomes.sort(), ['first answered', 'keyed 504 WAGGLE_DEADLINE', 'known answered', 'new 504 WAGGLE_DEADLINE'])
})
