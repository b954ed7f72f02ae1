import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Expression } from '../../../bees/expression/expression.ts'
import { conditionOf } from '../../../ops/import/graph-condition.ts'

it('A condition compares with the text that its JSON literal stands for, whatever its escapes', () => {
  for (const label of ['tab\t', 'line\n', 'a\\b', "it's", "a\\'b", '"', 'é', '\u2028', 'a\\', '\u0000']) {
    for (const literal of [JSON.stringify(label), `"${[...label].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`]) {
      const condition = Expression.parse(conditionOf(`[@this].#(label==${literal})`, '') ?? '`false`')
      assert.deepEqual([condition.holds({ label }), condition.holds({ label: `${label}x` })], [true, false], literal)
    }
  }
})

it('A condition with an escape that JSON does not have is not translated', () => {
  for (const literal of ['"\\x41"', '"\\u00"', '"a\tb"']) assert.equal(conditionOf(`[@this].#(label==${literal})`, ''), null)
})
