import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { schemaMisfit } from '../../../../topology/swarm/check/schema-fit.ts'

describe('JSON of one schema as the input of another schema', () => {
  const order = Type.Object({ id: Type.String(), total: Type.Number(), tags: Type.Array(Type.String()) })

  it('fits if it has the required members, with their types', () => {
    assert.equal(schemaMisfit(order, Type.Object({ id: Type.String(), total: Type.Number() })), null)
    assert.equal(schemaMisfit(Type.Object({ n: Type.Integer() }), Type.Object({ n: Type.Number() })), null)
    assert.equal(schemaMisfit({ type: ['string', 'null'] }, Type.String()), null)
    assert.equal(schemaMisfit({}, order), null)
    assert.equal(schemaMisfit(order, {}), null)
    assert.equal(schemaMisfit(Type.Object({}), order), null, 'A schema without members tells nothing about them')
    assert.equal(schemaMisfit(Type.Object({ id: Type.String() }), Type.Object({ note: Type.Optional(Type.String()) })), null)
  })

  for (const [given, taken, reason] of [
    [Type.String(), Type.Number(), 'gives JSON of type string, where number is taken'],
    [Type.Object({ id: Type.String() }), order, 'gives no total (it gives id), which is taken'],
    [Type.Object({ id: Type.Number() }), Type.Object({ id: Type.String() }), 'gives id as number, where string is taken'],
    [
      Type.Object({ buyer: Type.Object({ name: Type.String() }) }),
      Type.Object({ buyer: Type.Object({ name: Type.String(), city: Type.String() }) }),
      'gives no buyer.city (it gives buyer.name), which is taken',
    ],
    [Type.Array(Type.String()), Type.Array(Type.Number()), 'gives [] as string, where number is taken'],
    [
      Type.Array(Type.Number(), { maxItems: 3 }),
      Type.Array(Type.Number(), { minItems: 4 }),
      'gives a list of at most 3 items, where at least 4 are taken',
    ],
    [
      Type.Array(Type.Number(), { minItems: 5 }),
      Type.Array(Type.Number(), { maxItems: 4 }),
      'gives a list of at least 5 items, where at most 4 are taken',
    ],
    [Type.Enum(['a', 'b']), Type.Enum(['c']), 'gives one of "a", "b", where one of "c" is taken'],
    [Type.Literal('a'), Type.Literal('b'), 'gives one of "a", where one of "b" is taken'],
  ] as const)
    it(`does not fit, and the reason is: ${reason}`, () => assert.equal(schemaMisfit(given, taken), reason))
})
