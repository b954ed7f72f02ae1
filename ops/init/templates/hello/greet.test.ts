import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Refused } from 'waggle-streams'
import greet from './greet.ts'

it('greet returns a greeting with the name', () => {
  assert.deepEqual(greet({ name: 'bear' }), { greeting: 'Hello, bear!' })
})

it('greet refuses an input without a name', () => {
  assert.throws(() => greet({}), Refused)
})
