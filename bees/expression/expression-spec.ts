import { Type } from 'typebox'
import type { SpecMistake } from '../../topology/swarm/bee-type.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ErrorInput } from '../define-bee.ts'
import { Expression } from './expression.ts'

/** The schema of a setting that is an expression. */
export function expressionType(description: string) {
  return Type.String({ minLength: 1, maxLength: 4096, description: `${description} In JMESPath: a number is \`100\`, a text is 'teddy'.` })
}

/** The mistake in an expression of a spec; an empty list if there is none. Values that are not texts are left to the schema. */
export function expressionMistakes(text: unknown, path: SpecMistake['path']): readonly SpecMistake[] {
  if (typeof text !== 'string' || text === '' || text.includes('{{')) return []
  try {
    Expression.parse(text)
    return []
  } catch (thrown) {
    if (!(thrown instanceof WaggleError)) throw thrown
    return [{ path, message: thrown.message, next: thrown.next }]
  }
}

/** The JSON of a bee's input, which an expression reads. Throws WAGGLE_EXPRESSION for bytes and tensors. */
export function jsonInput(input: unknown, contentType: string): unknown {
  const isJson = !(input instanceof Uint8Array || input instanceof ErrorInput) && contentType !== 'application/vnd.waggle.tensors'
  if (isJson) return input
  throw new WaggleError('WAGGLE_EXPRESSION', {
    message: `An expression reads JSON, and the input is ${contentType}`,
    next: 'Send JSON, or put a bee in front that makes JSON of the input.',
  })
}
