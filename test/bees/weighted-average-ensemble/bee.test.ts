import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { averageOf } from '../../../bees/weighted-average-ensemble/bee.ts'

const prediction = (bear: number) => ({ scores: { bear, teddy: 1 - bear } })

describe('The weighted average of predictions', () => {
  it('weighs each bee by its configured weight', () => {
    const { label, scores, models } = averageOf(
      new Map([
        ['a', prediction(1)],
        ['b', prediction(0.5)],
        ['c', prediction(0)],
      ]),
      { a: 0.4, b: 0.4, c: 0.2 },
    )
    assert.equal(label, 'bear')
    assert.ok(Math.abs((scores.bear ?? 0) - 0.6) < 1e-12)
    assert.ok(Math.abs((models.c?.weight ?? 0) - 0.2) < 1e-12)
  })

  it('weighs all bees equally without weights, and gives a bee without a weight the average of the given weights', () => {
    const two = new Map([
      ['a', prediction(1)],
      ['b', prediction(0)],
    ])
    assert.deepEqual(averageOf(two, {}).scores, { bear: 0.5, teddy: 0.5 })
    assert.equal(averageOf(two, { a: 3 }).models.b?.weight, 0.5)
  })

  it('scales the weights of the answering bees so that they add up to one', () => {
    const { models } = averageOf(
      new Map([
        ['a', prediction(1)],
        ['c', prediction(0)],
      ]),
      { a: 0.4, b: 0.4, c: 0.2 },
    )
    assert.ok(Math.abs((models.a?.weight ?? 0) - 2 / 3) < 1e-12)
  })

  it('fails with a reason if there is no prediction to average', () => {
    assert.throws(() => averageOf(new Map(), {}), /No prediction with a weight above 0/)
    assert.throws(() => averageOf(new Map([['a', prediction(1)]]), { a: 0 }), /No prediction with a weight above 0/)
  })

  it('is between the lowest and the highest prediction, and its scores add up to one', () => {
    const models = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0.01, max: 100, noNaN: true })), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(models, (list) => {
        const predictions = new Map(list.map(([bear], at) => [`m${at}`, prediction(bear)]))
        const weights = Object.fromEntries(list.map(([, weight], at) => [`m${at}`, weight]))
        const { bear = 0, teddy = 0 } = averageOf(predictions, weights).scores
        assert.ok(Math.abs(bear + teddy - 1) < 1e-9)
        assert.ok(bear >= Math.min(...list.map(([score]) => score)) - 1e-9)
        assert.ok(bear <= Math.max(...list.map(([score]) => score)) + 1e-9)
      }),
    )
  })

  it('accepts labels and bees that are called __proto__ or constructor', () => {
    const scores = Object.fromEntries([
      ['constructor', 0.75],
      ['__proto__', 0.25],
      ['toString', 0],
    ])
    const {
      label,
      scores: average,
      models,
    } = averageOf(
      new Map([
        ['constructor', { scores }],
        ['valueOf', { scores }],
      ]),
      {},
    )
    assert.equal(label, 'constructor')
    assert.deepEqual(Object.entries(average), Object.entries(scores))
    assert.deepEqual(
      Object.entries(models).map(([bee, { weight }]) => [bee, weight]),
      [
        ['constructor', 0.5],
        ['valueOf', 0.5],
      ],
    )
  })

  it('fails if the average is not a finite number', () => {
    const two = new Map([
      ['a', { scores: { bear: 1e308 } }],
      ['b', { scores: { bear: 1e308 } }],
    ])
    for (const weights of [{ a: 1.7e308, b: 1.7e308 }, { a: Number.NaN }, { a: Number.POSITIVE_INFINITY }, { a: -2, b: 1 }])
      assert.throws(() => averageOf(two, weights), { code: 'WAGGLE_NOT_FINITE' })
    assert.throws(() => averageOf(two, { a: 0, b: 0 }), { code: 'WAGGLE_NO_PREDICTION' })
  })
})
