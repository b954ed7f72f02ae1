import assert from 'node:assert/strict'
import { it } from 'node:test'
import { exposition } from '../../../ops/telemetry/exposition.ts'
import { parseExposition } from '../../support/exposition-parser.ts'

it('The text of a metric’s label or help line is read back unchanged', () => {
  const odd = 'a "b" \\n c\\\nd } , = é'
  const text = exposition([
    { name: 'odd_total', help: 'two\nlines \\', type: 'counter', samples: [{ labels: { of: odd, and: '' }, value: 3 }] },
    { name: 'nothing', help: 'Left out.', type: 'gauge', samples: [] },
    {
      name: 'ends',
      help: 'Numbers.',
      type: 'gauge',
      samples: [Number.NaN, Number.POSITIVE_INFINITY, 1e21, -0.5].map((value, at) => ({ labels: { at: String(at) }, value })),
    },
  ])
  const families = parseExposition(text)
  assert.deepEqual([...families.keys()], ['odd_total', 'ends'])
  assert.deepEqual(
    [...(families.get('odd_total')?.samples[0]?.labels ?? [])],
    [
      ['of', odd],
      ['and', ''],
    ],
  )
  assert.deepEqual(
    families.get('ends')?.samples.map(({ value }) => value),
    [Number.NaN, Number.POSITIVE_INFINITY, 1e21, -0.5],
  )
})
