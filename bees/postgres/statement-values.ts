import { ownMember } from '../../topology/own-member.ts'
import type { StatementValue } from '../../topology/swarm/ports/postgres.ts'
import { Refused } from '../../topology/waggle-error.ts'
import type { NamedParameter } from './named-statement.ts'

/**
 * The values of a query's parameters, in order, as the texts that PostgreSQL reads. `:request_id` is the id of the request. Throws `Refused` for an
 * input without a required field, and for a value that cannot be written as a text of the parameter's type.
 */
export function statementValues(
  input: unknown,
  requestId: string,
  { fields, types }: { readonly fields: readonly NamedParameter[]; readonly types: readonly string[] },
): readonly StatementValue[] {
  return fields.map(({ name, path }, at) => (name === 'request_id' ? requestId : textOf(fieldAt(input, name, path), name, types[at] ?? 'text')))
}

function fieldAt(input: unknown, name: string, path: readonly string[]): unknown {
  let value: unknown = input
  for (const step of path) {
    const isMap = value !== null && typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value)
    value = isMap ? ownMember(value as { readonly [key: string]: unknown }, step) : undefined
  }
  if (value === undefined) throw new Refused(`this input has no field ${name}, which the query needs; send null for none`)
  return value
}

function textOf(value: unknown, name: string, type: string): StatementValue {
  if (value === null) return null
  if (type === 'json' || type === 'jsonb') return JSON.stringify(value)
  if (value instanceof Uint8Array) {
    if (type === 'bytea') return value
    throw unfit(name, 'bytes', type)
  }
  if (Array.isArray(value)) {
    if (!type.endsWith('[]')) throw unfit(name, 'a list', type)
    return listText(value, name, type.slice(0, -2))
  }
  if (typeof value === 'object') throw unfit(name, 'a map', type)
  return String(value)
}

/** A list in PostgreSQL's form, such as `{"a","b",NULL,{"c"}}`. */
function listText(list: readonly unknown[], name: string, type: string): string {
  const items = list.map((item) => {
    if (Array.isArray(item) && type !== 'json' && type !== 'jsonb') return listText(item, name, type)
    const value = textOf(item, name, type)
    if (value === null) return 'NULL'
    const text = typeof value === 'string' ? value : `\\x${Buffer.from(value).toString('hex')}`
    return `"${text.replace(/["\\]/g, '\\$&')}"`
  })
  return `{${items.join(',')}}`
}

function unfit(name: string, given: string, type: string): Refused {
  return new Refused(`${name} is ${given}, and the query takes ${type} there`)
}
