import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseTokens } from '../../../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { CallerLimits, type Limits } from '../../../../connectors/gateway/access/caller-limits.ts'
import { ProblemError } from '../../../../connectors/gateway/http/problem.ts'
import type { Requests } from '../../../../topology/swarm/request/requests.ts'
import { echo, openEchoGateway } from '../../../support/echo-gateway.ts'
import { connected } from '../../../support/raw-http.ts'
import { eventually } from '../../../support/swarm-here.ts'

describe('The limits of callers', () => {
  let nowMs = 0
  const clock = { elapsedMs: () => nowMs }
  const limited = (limits: Partial<Limits>) =>
    new CallerLimits({ clock, limits: { ratePerSecond: null, inFlight: null, allInFlight: 1000, ...limits } })

  /** Tries to admit a request. Returns the function that ends the request, or the refusal. */
  function attempt(limits: CallerLimits, caller: string, { gateway = 'door', priority = 9, waits = true } = {}) {
    try {
      return limits.admit({ caller, gateway, priority, waits })
    } catch (thrown) {
      assert.ok(thrown instanceof ProblemError)
      return thrown
    }
  }
  const isAdmitted = (...given: Parameters<typeof attempt>) => typeof attempt(...given) === 'function'
  const countOf = (limits: CallerLimits, caller: string, of: number, more = {}) =>
    Array.from({ length: of }, () => isAdmitted(limits, caller, more)).filter(Boolean).length

  it('count only requests with a waiting caller towards the requests in flight of the process', () => {
    const limits = limited({ allInFlight: 5 })
    assert.equal(countOf(limits, 'a', 20, { waits: false }), 20)
    assert.equal(countOf(limits, 'a', 20), 5)
    assert.equal(countOf(limits, 'a', 20, { waits: false }), 20)
  })

  it('allow each caller its rate at each gateway, and tell a refused caller when to retry', () => {
    const limits = limited({ ratePerSecond: 5 })
    assert.equal(countOf(limits, 'a', 20), 5)
    const refusal = attempt(limits, 'a')
    assert.ok(refusal instanceof ProblemError)
    assert.deepEqual([refusal.code, refusal.retryAfterSeconds], ['WAGGLE_CALLER_LIMIT', 1])
    assert.equal(countOf(limits, 'b', 20), 5)
    assert.equal(countOf(limits, 'a', 20, { gateway: 'window' }), 5)
    nowMs += 400
    assert.equal(countOf(limits, 'a', 20), 2)
    nowMs += 60_000
    assert.equal(countOf(limits, 'a', 20), 5)
  })

  it('bound a caller’s requests without an answer', () => {
    const limits = limited({ inFlight: 2 })
    const end = attempt(limits, 'a')
    assert.ok(typeof end === 'function')
    assert.deepEqual([isAdmitted(limits, 'a'), isAdmitted(limits, 'a'), isAdmitted(limits, 'b')], [true, false, true])
    end()
    end()
    assert.deepEqual([isAdmitted(limits, 'a'), isAdmitted(limits, 'a')], [true, false])
  })

  it('keep a third of the process free beside a greedy caller, and let the other callers have their share', () => {
    const limits = limited({ allInFlight: 90 })
    assert.equal(isAdmitted(limits, 'modest'), true)
    assert.equal(countOf(limits, 'greedy', 100), 60)
    const refusal = attempt(limits, 'greedy')
    assert.ok(refusal instanceof ProblemError)
    assert.equal(refusal.code, 'WAGGLE_CALLER_LIMIT')
    assert.equal(countOf(limits, 'modest', 100), 29)
  })

  it('admit a new caller soon, even if another caller has filled the whole process', () => {
    const limits = limited({ allInFlight: 10 })
    const ends = Array.from({ length: 10 }, () => attempt(limits, 'greedy'))
    const refusal = attempt(limits, 'new')
    assert.ok(refusal instanceof ProblemError)
    assert.equal(refusal.code, 'WAGGLE_OVERLOADED')
    const [end] = ends
    assert.ok(typeof end === 'function')
    end()
    // The free place is for the caller that was refused, and not for the caller that has nine places.
    assert.deepEqual([isAdmitted(limits, 'greedy'), isAdmitted(limits, 'new')], [false, true])
  })

  it('forget a caller that has sent nothing for some seconds', () => {
    const limits = limited({ allInFlight: 10 })
    const end = attempt(limits, 'other')
    assert.ok(typeof end === 'function')
    end()
    assert.equal(countOf(limits, 'greedy', 20), 7)
    nowMs += 6000
    assert.equal(countOf(limits, 'greedy', 20), 3)
  })

  it('let a caller fill the whole process if it is the only caller', () => {
    assert.equal(countOf(limited({ allInFlight: 100 }), 'alone', 200), 100)
  })

  it('refuse requests of the lowest priority first', () => {
    const limits = limited({ allInFlight: 100 })
    assert.equal(countOf(limits, 'a', 200, { priority: 0 }), 55)
    assert.equal(countOf(limits, 'a', 200, { priority: 4 }), 20)
    assert.equal(countOf(limits, 'a', 200, { priority: 9 }), 25)
    const refusal = attempt(limits, 'a', { priority: 9 })
    assert.ok(refusal instanceof ProblemError)
    assert.equal(refusal.code, 'WAGGLE_OVERLOADED')
  })

  it('admit a request of the highest priority even if the process takes only a single request', () => {
    assert.equal(isAdmitted(limited({ allInFlight: 1 }), 'a', { priority: 0 }), true)
  })

  it('can be replaced while requests are in flight', () => {
    const limits = limited({ inFlight: 1 })
    const end = attempt(limits, 'a')
    limits.replace({ ratePerSecond: null, inFlight: null, allInFlight: 3 })
    assert.equal(countOf(limits, 'a', 10), 2)
    assert.ok(typeof end === 'function')
    end()
    assert.equal(countOf(limits, 'a', 10), 1)
  })

  it('still count the earlier requests in flight after a replacement', () => {
    const limits = limited({ inFlight: 2 })
    const end = attempt(limits, 'a')
    limits.replace({ ratePerSecond: null, inFlight: 2, allInFlight: 1000 })
    assert.equal(countOf(limits, 'a', 10), 1)
    assert.ok(typeof end === 'function')
    end()
    assert.equal(countOf(limits, 'a', 10), 1)
  })
})

it('A gateway answers 429 with Retry-After at a limit, and lowers an X-Priority to the token’s highest priority', async () => {
  const tokens = new AccessTokens()
  tokens.replace('settings', parseTokens('low=low-0123456789abc:ask:*,priority:0;high=high-0123456789ab:ask:*'))
  const limits = new CallerLimits({ clock: { elapsedMs: () => 0 }, limits: { ratePerSecond: 2, inFlight: null, allInFlight: 4 } })
  const gateway = await openEchoGateway({ callers: { areKnown: true, find: (token) => tokens.find(token) }, limits })
  try {
    // Two other requests have no answer yet: half of the process is in use.
    for (const other of ['x', 'y']) limits.admit({ caller: other, gateway: 'door', priority: 9, waits: true })
    const ask = async (token: string, headers = {}) => {
      const response = await fetch(`${gateway.url}/v1/gateways/door/request`, {
        method: 'POST',
        body: 'hello',
        headers: { authorization: `Bearer ${token}`, ...headers },
      })
      const body = await response.text()
      return {
        status: response.status,
        retry: response.headers.get('retry-after'),
        code: response.ok ? '' : (JSON.parse(body) as { code: string }).code,
      }
    }
    assert.equal((await ask('low-0123456789abc', { 'x-priority': '9' })).status, 503)
    assert.equal((await ask('high-0123456789ab', { 'x-priority': '0' })).status, 503)
    for (const priority of ['10', '-1', 'high', '', '1.5', '9, 9'])
      assert.equal((await ask('high-0123456789ab', { 'x-priority': priority })).code, 'WAGGLE_BAD_HEADER', priority)
    assert.equal((await ask('high-0123456789ab')).status, 200)
    assert.equal((await ask('high-0123456789ab')).status, 200)
    assert.deepEqual(await ask('high-0123456789ab'), { status: 429, retry: '1', code: 'WAGGLE_CALLER_LIMIT' })
  } finally {
    await gateway.close()
  }
})

it('A connection that closes ends all of its requests, including those whose answers wait for an earlier answer', async () => {
  const limits = new CallerLimits({ clock: { elapsedMs: () => 0 }, limits: { ratePerSecond: null, inFlight: null, allInFlight: 3 } })
  const asked = Promise.withResolvers<void>()
  let count = 0
  const requests: Requests = {
    ...echo,
    request: () => {
      if (++count === 2) asked.resolve()
      return new Promise(() => {})
    },
  }
  const gateway = await openEchoGateway({ limits, requests })
  try {
    const socket = await connected(gateway.url)
    const ask = 'POST /v1/gateways/door/request HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}'
    socket.write(ask + ask)
    await asked.promise
    assert.deepEqual([limits.waiting, count], [2, 2])
    socket.destroy()
    await eventually(async () => limits.waiting === 0)
  } finally {
    await gateway.close()
  }
})
