import { Type } from 'typebox'
import { defineBee, NotTaken, PassedOn } from '../define-bee.ts'
import { shareOf } from '../hash-share.ts'

export default defineBee({
  type: 'sample',
  role: 'value',
  keepsInput: true,
  isConditional: true,
  passesInput: true,
  summary: 'Lets a part of the requests pass, chosen by the request id.',
  delivery: 'The request id decides, so a request that is read again after a crash has the same fate.',
  spec: Type.Object(
    { fraction: Type.Number({ minimum: 0, maximum: 1, description: 'The part of all requests that passes: 0.1 is one of ten.' }) },
    { additionalProperties: false, required: ['fraction'] },
  ),
  examples: [{ fraction: 0.1 }],
  create: ({ spec, swarm, bee }) => ({
    process: (_: unknown, { id }) =>
      shareOf(`${swarm}/${bee}/${id}`) < spec.fraction ? new PassedOn() : new NotTaken('took another part of the requests'),
  }),
})
