import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { Expression } from '../expression/expression.ts'
import { expressionMistakes, expressionType, jsonInput } from '../expression/expression-spec.ts'

export default defineBee({
  type: 'map',
  role: 'value',
  keepsInput: true,
  summary: 'Makes its output of its input by an expression.',
  delivery: 'Computed again after a crash, from the same input, to the same output.',
  spec: Type.Object({ expression: expressionType('The output.') }, { additionalProperties: false, required: ['expression'] }),
  examples: [{ expression: '{label: label, score: scores.teddy}' }],
  mistakes: ({ expression }) => expressionMistakes(expression, ['expression']),
  create({ spec }) {
    const expression = Expression.parse(spec.expression)
    return { process: (input: unknown, { contentType }) => expression.evaluate(jsonInput(input, contentType)) }
  },
})
