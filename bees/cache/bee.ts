import { Type } from 'typebox'
import type { Branch } from '../../topology/swarm/bee-type.ts'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'cache',
  role: 'cache',
  summary: 'Remembers the results of the bees that lead back to it: the same input gets the same result for a time.',
  delivery: 'Results are state with a changelog, so they survive a crash. An error is not remembered.',
  spec: Type.Object(
    {
      body: Type.String({ minLength: 1, description: 'The reader that gets an input without a result. The other readers get results.' }),
      ttl_seconds: Type.Number({ exclusiveMinimum: 0, maximum: 31_536_000, description: 'How long a result is given again.' }),
      max_entries: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 100_000_000,
          default: 10_000,
          description: 'Results at most; then the oldest is forgotten. Each partition has its share.',
        }),
      ),
      max_bytes: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1_099_511_627_776, default: 67_108_864, description: 'Bytes of all results at most, in the same way.' }),
      ),
    },
    { additionalProperties: false, required: ['body', 'ttl_seconds'] },
  ),
  examples: [{ body: 'model', ttl_seconds: 3600 }],
  branches: ({ body }): readonly Branch[] => (typeof body === 'string' ? [{ reader: body, when: 'no result is known', path: ['body'] }] : []),
})
