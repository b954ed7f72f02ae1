import { Type } from 'typebox'
import { defineBee, NotTaken, PassedOn } from '../define-bee.ts'
import { Expression } from '../expression/expression.ts'
import { expressionMistakes, expressionType, jsonInput } from '../expression/expression-spec.ts'

export default defineBee({
  type: 'filter',
  role: 'value',
  keepsInput: true,
  isConditional: true,
  passesInput: true,
  summary: 'Lets a request pass if a condition holds for it.',
  delivery: 'Decided again after a crash, from the same input, in the same way. A request that does not pass is answered with 422.',
  spec: Type.Object({ condition: expressionType('A request passes if it is true.') }, { additionalProperties: false, required: ['condition'] }),
  examples: [{ condition: 'amount > `100`' }],
  mistakes: ({ condition }) => expressionMistakes(condition, ['condition']),
  create({ spec }) {
    const condition = Expression.parse(spec.condition)
    return {
      process: (input: unknown, { contentType }) =>
        condition.holds(jsonInput(input, contentType)) ? new PassedOn() : new NotTaken('let the request go no further: its condition does not hold'),
    }
  },
})
