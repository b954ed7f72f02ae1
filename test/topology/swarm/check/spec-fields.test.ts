import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Type } from 'typebox'
import { specFields } from '../../../../topology/swarm/check/spec-fields.ts'

it('The keys of a spec are listed with their types in words, their defaults, and then the keys of inner maps', () => {
  const spec = Type.Object({
    size: Type.Integer({ minimum: 1, maximum: 9, description: 'Rows at most.' }),
    ratio: Type.Optional(Type.Number({ exclusiveMinimum: 0, default: 0.5 })),
    mode: Type.Optional(Type.Enum(['fast', 'exact'], { default: 'fast' })),
    pair: Type.Optional(Type.Array(Type.Integer(), { minItems: 2, maxItems: 2 })),
    env: Type.Optional(Type.Record(Type.String(), Type.String())),
    either: Type.Optional(Type.Union([Type.Boolean(), Type.Literal('auto')])),
    tls: Type.Optional(Type.Object({ ca: Type.Optional(Type.String()) }, { description: 'Files.' })),
  })
  assert.deepEqual(specFields(spec), [
    { name: 'size', type: 'integer, 1 to 9', isRequired: true, description: 'Rows at most.' },
    { name: 'ratio', type: 'number, above 0', isRequired: false, default: 0.5, description: '' },
    { name: 'mode', type: '"fast" or "exact"', isRequired: false, default: 'fast', description: '' },
    { name: 'pair', type: 'list of 2: integer', isRequired: false, description: '' },
    { name: 'env', type: 'map of names to string', isRequired: false, description: '' },
    { name: 'either', type: 'boolean or "auto"', isRequired: false, description: '' },
    { name: 'tls', type: 'map', isRequired: false, description: 'Files.' },
    { name: 'tls.ca', type: 'string', isRequired: false, description: '' },
  ])
})
