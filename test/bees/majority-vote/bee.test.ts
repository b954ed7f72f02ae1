import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { majorityOf } from '../../../bees/majority-vote/bee.ts'
import { weightsOf } from '../../../bees/model/joined-models.ts'

const votes = (labels: { readonly [bee: string]: string }) => new Map(Object.entries(labels).map(([bee, label]) => [bee, { label }]))
const equal = weightsOf({})

describe('A majority vote', () => {
  it('chooses the label with the most votes, and gives each label its share', () => {
    assert.deepEqual(majorityOf(votes({ a: 'x', b: 'y', c: 'y' }), equal, []), {
      label: 'y',
      scores: { x: 1 / 3, y: 2 / 3 },
      models: { a: { label: 'x', weight: 1 / 3 }, b: { label: 'y', weight: 1 / 3 }, c: { label: 'y', weight: 1 / 3 } },
    })
  })

  it('weighs each vote, and gives a bee without a weight the average of the other weights', () => {
    assert.equal(majorityOf(votes({ a: 'x', b: 'y', c: 'y' }), weightsOf({ a: 3, b: 1, c: 1 }), []).label, 'x')
  })

  it('decides a tie by the scores of the voters, and then by the order of the inputs', () => {
    assert.equal(majorityOf(votes({ a: 'x', b: 'y' }), equal, []).label, 'x')
    assert.equal(majorityOf(votes({ b: 'y', a: 'x' }), equal, []).label, 'y')
    const scored = new Map([
      ['a', { label: 'x', scores: { x: 0.6, y: 0.4 } }],
      ['b', { label: 'y', scores: { x: 0.1, y: 0.9 } }],
    ])
    assert.equal(majorityOf(scored, equal, []).label, 'y')
  })

  it('names the missing bees, and fails if no vote counts', () => {
    assert.deepEqual(majorityOf(votes({ a: 'x' }), equal, ['b']).missing, ['b'])
    assert.throws(() => majorityOf(new Map(), equal, ['a']), { code: 'WAGGLE_NO_PREDICTION' })
    assert.throws(() => majorityOf(votes({ a: 'x' }), weightsOf({ a: 0 }), []), { code: 'WAGGLE_NO_PREDICTION' })
  })

  it('accepts labels such as __proto__ and constructor', () => {
    const { label, scores } = majorityOf(votes({ a: '__proto__', b: 'constructor', c: '__proto__' }), equal, [])
    assert.equal(label, '__proto__')
    assert.deepEqual(Object.keys(scores), ['__proto__', 'constructor'])
  })
})
