import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { didYouMean } from '../../../../topology/swarm/check/nearest-name.ts'

it('A mistyped name gets the most similar right name as a suggestion, and a name unlike all others gets none', () => {
  assert.equal(didYouMean('respnod', ['request', 'respond', 'batch']), 'did you mean respond?')
  assert.equal(didYouMean('Batch', ['batch']), 'did you mean batch?')
  assert.equal(didYouMean('kubernetes', ['respond', 'batch']), '')
})

it('A name with one letter wrong, missing, added or swapped is matched', () => {
  const name = fc.stringMatching(/^[a-z]{5,20}$/)
  fc.assert(
    fc.property(name, fc.nat(), fc.constantFrom('drop', 'double', 'swap'), (right, seed, how) => {
      const at = seed % (right.length - 1)
      const [a, b, rest] = [right[at], right[at + 1], right.slice(at + 2)]
      const wrong = right.slice(0, at) + { drop: `${b}`, double: `${a}${a}${b}`, swap: `${b}${a}` }[how] + rest
      assert.equal(didYouMean(wrong, [right, 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz']), `did you mean ${right}?`)
    }),
  )
})
