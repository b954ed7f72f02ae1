import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { CallerPlaces } from '../../../../connectors/gateway/access/caller-places.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'
import { eventually } from '../../../support/swarm-here.ts'

describe('Places of callers', () => {
  const places = (max: number) => new CallerPlaces({ max, what: 'streams are open' })
  const takeAll = (from: CallerPlaces, caller: string) => {
    const ends: (() => void)[] = []
    try {
      for (;;) ends.push(from.take(caller))
    } catch {
      return ends
    }
  }

  it('are half of all places for a single caller, a third for each of two callers, and all for callers without tokens', () => {
    const shared = places(12)
    assert.equal(takeAll(shared, 'a').length, 6)
    assert.equal(takeAll(shared, 'b').length, 3)
    assert.throws(() => shared.take('a'), { code: 'WAGGLE_CALLER_LIMIT' })
    assert.equal(takeAll(places(12), '').length, 12)
  })

  it('become free once for each taken place', () => {
    const shared = places(2)
    const end = shared.take('a')
    assert.throws(() => shared.take('a'), { code: 'WAGGLE_CALLER_LIMIT' })
    shared.take('b')
    assert.throws(() => shared.take('c'), { code: 'WAGGLE_OVERLOADED' })
    end()
    end()
    assert.equal(shared.taken, 1)
    shared.take('c')
    assert.throws(() => shared.take('d'), { code: 'WAGGLE_OVERLOADED' })
  })

  it('leave a place for a new caller beside up to six others that have taken as many places as they can', () => {
    fc.assert(
      fc.property(fc.integer({ min: 128, max: 300 }), fc.integer({ min: 1, max: 6 }), (max, callers) => {
        const shared = places(max)
        for (let at = 0; at < callers; at++) takeAll(shared, `caller-${at}`)
        shared.take('new')
      }),
    )
  })
})

it('A caller with a token cannot take all event streams of a gateway', async () => {
  const tokens = new AccessTokens()
  tokens.replace('settings', parseTokens('greedy=greedy-0123456789:read;modest=modest-0123456789:read'))
  const ended = { count: 0 }
  const follow = async () => ({ async finish() {}, end: () => void ended.count++ })
  const followers = new CallerPlaces({ max: 8, what: 'requests are followed' })
  const gateway = await openEchoGateway({
    callers: { areKnown: true, find: (token) => tokens.find(token) },
    events: { follow, await: follow },
    followers,
  })
  try {
    const leave = new AbortController()
    const open = async (token: string) => {
      const response = await fetch(`${gateway.url}/v1/requests/1/events`, { headers: { authorization: `Bearer ${token}` }, signal: leave.signal })
      const code = response.ok ? '' : ((await response.json()) as { readonly code: string }).code
      return { status: response.status, code }
    }
    const greedy = []
    for (let at = 0; at < 5; at++) greedy.push(await open('greedy-0123456789'))
    assert.deepEqual(
      greedy.map(({ status }) => status),
      [200, 200, 200, 200, 429],
    )
    assert.equal(greedy[4]?.code, 'WAGGLE_CALLER_LIMIT')
    assert.equal((await open('modest-0123456789')).status, 200)
    leave.abort()
    await eventually(async () => followers.taken === 0)
    assert.equal(ended.count, 5)
  } finally {
    await gateway.close()
  }
})
