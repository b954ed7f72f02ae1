import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

describe('The fraud swarm', () => {
  it('answers as its README shows, blocks a card that is tried many times in minutes, and refuses an input that is not a payment', async () => {
    await using swarm = await ShelfSwarm.run('fraud')
    await swarm.answersAsReadmeShows()
    const decisions = []
    for (const minute of [1, 2, 3, 4, 5, 6]) {
      const payment = { card: '0815', amount: 2 + minute, country: 'DE', time: `2026-03-01T09:0${minute}:00Z` }
      const { body } = await swarm.request('payments', JSON.stringify(payment))
      decisions.push((body as { readonly decision: string }).decision)
    }
    assert.deepEqual(decisions, ['pass', 'pass', 'pass', 'pass', 'block', 'block'])
    const payment = { card: '4711', amount: 1, country: 'DE', time: '2026-03-01T09:00:00Z' }
    const wrong = [null, { ...payment, card: '' }, { ...payment, amount: 1e300 }, { ...payment, country: undefined }, { ...payment, time: 'today' }]
    for (const body of wrong.map((one) => JSON.stringify(one))) assert.equal((await swarm.request('payments', body)).status, 422, body)
  })
})
