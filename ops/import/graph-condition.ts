import { quotedName } from './swarm-draft.ts'

/**
 * Translates a condition of an InferenceGraph to JMESPath. The condition is GJSON that treats the request or the response as a list with one item,
 * such as `[@this].#(predictions.0=="dog")`. Null for a condition of any other form. `inside`: the field of the
 * value that the condition looks at; empty for the value itself.
 */
export function conditionOf(gjson: string, inside: string): string | null {
  const query = /^\[@this\]\.#\((.*)\)#?$/s.exec(gjson.trim())?.[1]
  const parts =
    query === undefined
      ? null
      : /^([\w.-]+)\s*(==|!=|>=|<=|>|<|=)\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?)|(true|false|null))\s*$/.exec(query.trim())
  if (parts === null) return null
  const [, path = '', operator = '', literal, number, word] = parts
  const text = literal === undefined ? undefined : textOf(literal)
  if (text === null) return null
  const steps = path.split('.').map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${quotedName(step)}`))
  const value = text === undefined ? `\`${number ?? word}\`` : `'${text.replace(/[\\']/g, '\\$&')}'`
  const condition = `${`${inside}${steps.join('')}`.replace(/^\./, '')} ${operator === '=' ? '==' : operator} ${value}`
  // If the field is missing, a comparison by order gives null in JMESPath, and false in GJSON.
  return /^[<>]/.test(operator) ? `not_null(${condition}, \`false\`)` : condition
}

/** The text that a literal of JSON stands for; null for a literal that JSON does not have. */
function textOf(literal: string): string | null {
  try {
    return String(JSON.parse(literal))
  } catch {
    return null
  }
}
