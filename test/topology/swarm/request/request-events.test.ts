import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SentEvents } from '../../../../topology/swarm/request/request-events.ts'

const part = (bee: string, number: number, rounds = '') => ({ bee, number, rounds })

describe('The id of an event', () => {
  it('names each event that was sent, and the last part of each call', () => {
    const sent = new SentEvents()
    assert.equal(sent.add('*'), '*')
    assert.equal(sent.addPart(part('chat', 0)), '*.chat~0')
    assert.equal(sent.addPart(part('chat', 0)), null)
    assert.equal(sent.addPart(part('chat', 1, 'loop=1')), '*.chat~0.chat@loop=1~1')
    assert.equal(sent.add('size'), '*.size.chat~0.chat@loop=1~1')
    assert.equal(sent.add('size'), null)
    assert.equal(sent.addPart(part('chat', 1)), '*.size.chat~1.chat@loop=1~1')
  })

  it('continues the id that a caller sends', () => {
    const sent = new SentEvents('*.chat~3.chat@loop=1~5.other', new Set(['chat', 'other']))
    for (const [bee, number, rounds] of [
      ['chat', 3, ''],
      ['chat', 5, 'loop=1'],
    ] as const)
      assert.equal(sent.addPart(part(bee, number, rounds)), null)
    assert.equal(sent.addPart(part('chat', 6, 'loop=1')), '*.other.chat~3.chat@loop=1~6')
    assert.equal(sent.addPart(part('chat', 4)), '*.other.chat@loop=1~6.chat~4')
  })

  it('names every call, even if more calls publish parts side by side than expected', () => {
    const sent = new SentEvents()
    const bees = Array.from({ length: 40 }, (_, at) => `b${at}`)
    let id: string | null = null
    for (const number of [0, 1]) for (const bee of bees) id = sent.addPart(part(bee, number))
    assert.deepEqual(id?.split('.').toSorted(), bees.map((bee) => `${bee}~1`).toSorted())
  })

  it('leaves out keys of a caller that name no bee of the request', () => {
    const keys = Array.from({ length: 4000 }, (_, at) => at.toString(36))
    for (const suffix of ['', '~1', '@loop=1'])
      assert.equal(new SentEvents(keys.map((key) => key + suffix).join('.'), new Set(['chat'])).addPart(part('chat', 0)), 'chat~0', suffix)
  })
})
