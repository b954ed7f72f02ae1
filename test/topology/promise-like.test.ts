import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isPromiseLike } from '../../topology/promise-like.ts'

describe('A value that await waits for', () => {
  it('is a promise or an object with a method `then`', () => {
    const thenable = Object.defineProperty({}, 'then', { value: () => {} })
    assert.deepEqual([Promise.resolve(1), thenable].map(isPromiseLike), [true, true])
  })

  it('is no other value', () => {
    const data = Object.defineProperty({}, 'then', { value: 'text' })
    assert.deepEqual([null, undefined, 1, 'then', {}, data, () => {}].map(isPromiseLike), Array(7).fill(false))
  })
})
