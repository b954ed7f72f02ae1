import { Type } from 'typebox'
import type { Branch } from '../../topology/swarm/bee-type.ts'
import { defineBee, PassedOn } from '../define-bee.ts'
import { Expression } from '../expression/expression.ts'
import { expressionMistakes, expressionType, jsonInput } from '../expression/expression-spec.ts'

export default defineBee({
  type: 'loop',
  role: 'loop',
  keepsInput: true,
  summary: 'Sends a request round and round through the bees that lead back to it, while a condition holds.',
  delivery: 'The round is part of the request’s record, so a crash repeats no round that is committed. A request leaves the loop once.',
  spec: Type.Object(
    {
      while: expressionType('Another round begins if it is true.'),
      body: Type.String({ minLength: 1, description: 'The reader that begins a round. The other readers get the last result.' }),
      max_rounds: Type.Integer({ minimum: 1, maximum: 1000, description: 'Rounds at most.' }),
      on_limit: Type.Optional(
        Type.Enum(['pass', 'fail'], { default: 'pass', description: 'After the last round: pass the result on, or fail the request.' }),
      ),
    },
    { additionalProperties: false, required: ['while', 'body', 'max_rounds'] },
  ),
  examples: [{ while: 'score < `0.9`', body: 'improve', max_rounds: 5 }],
  branches: ({ body, while: when }): readonly Branch[] =>
    typeof body === 'string' ? [{ reader: body, when: typeof when === 'string' ? when : null, path: ['body'] }] : [],
  mistakes: ({ while: when }) => expressionMistakes(when, ['while']),
  create({ spec }) {
    const condition = Expression.parse(spec.while)
    return { process: (input: unknown, { contentType }) => new PassedOn(condition.holds(jsonInput(input, contentType)) ? [spec.body] : null) }
  },
})
