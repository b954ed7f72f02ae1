import { Type } from 'typebox'
import type { Branch, SpecMistake } from '../../topology/swarm/bee-type.ts'
import { defineBee, NotTaken, PassedOn } from '../define-bee.ts'
import { Expression } from '../expression/expression.ts'
import { expressionMistakes, expressionType, jsonInput } from '../expression/expression-spec.ts'

export default defineBee({
  type: 'route',
  role: 'value',
  keepsInput: true,
  isConditional: true,
  passesInput: true,
  summary: 'Sends a request to the readers whose conditions hold for it.',
  delivery: 'Decided again after a crash, from the same input, in the same way. A request that takes no branch is answered with 422.',
  spec: Type.Object(
    {
      routes: Type.Record(Type.String(), expressionType('The condition under which the reader of this name gets a request.'), {
        minProperties: 1,
        description: 'A condition for each bee that reads this one.',
      }),
      default: Type.Optional(Type.String({ minLength: 1, description: 'The reader that gets a request for which no condition holds.' })),
      match: Type.Optional(
        Type.Enum(['first', 'all'], {
          default: 'first',
          description: 'first: the first condition that holds decides. all: every reader whose condition holds gets the request.',
        }),
      ),
    },
    { additionalProperties: false, required: ['routes'] },
  ),
  examples: [{ routes: { 'big-model': 'size > `1000`' }, default: 'small-model' }],
  branches({ routes, default: other }): readonly Branch[] {
    const named = Object.entries(asMap(routes)).map(([reader, when]): Branch => ({ reader, when: String(when), path: ['routes', reader] }))
    return typeof other === 'string' ? [...named, { reader: other, when: null, path: ['default'] }] : named
  },
  mistakes: (spec) => [
    ...Object.entries(asMap(spec.routes)).flatMap(([reader, text]) => expressionMistakes(text, ['routes', reader])),
    ...unreachableBranches(spec),
  ],
  create({ spec: { routes, default: other, match } }) {
    const conditions = Object.entries(routes).map(([reader, text]) => ({ reader, condition: Expression.parse(text) }))
    return {
      process(input: unknown, { contentType }) {
        const json = jsonInput(input, contentType)
        const readers: string[] = []
        for (const { reader, condition } of conditions) {
          if (!condition.holds(json)) continue
          readers.push(reader)
          if (match !== 'all') break
        }
        if (readers.length === 0 && other !== undefined) readers.push(other)
        return readers.length > 0 ? new PassedOn(readers) : new NotTaken('has no branch for the request: none of its conditions holds')
      },
    }
  },
})

/**
 * Mistakes for the branches after a condition that is always true, because these branches get no requests. With `match: all`, only the default branch
 * can be unreachable.
 */
function unreachableBranches({ routes, default: other, match }: { readonly [key: string]: unknown }): readonly SpecMistake[] {
  const readers = Object.entries(asMap(routes))
  const certain = readers.findIndex(([, text]) => typeof text === 'string' && /^\s*`\s*true\s*`\s*$/.test(text))
  const [first] = readers[certain] ?? []
  if (first === undefined) return []
  const later = match === 'all' ? [] : readers.slice(certain + 1).map(([reader]) => ({ reader, path: ['routes', reader] }))
  return [...later, ...(typeof other === 'string' ? [{ reader: other, path: ['default'] }] : [])].map(({ reader, path }) => ({
    path,
    message: `${reader} is an unreachable branch: the condition of ${first} always holds`,
    next: `Put ${first} last, as default.`,
  }))
}

function asMap(value: unknown): object {
  return value !== null && typeof value === 'object' ? value : {}
}
