import type { TSchema } from 'typebox'

/** One key of a bee type's spec, as the catalog and the reference pages show it. */
export interface SpecField {
  /** The path of the key: `tls.ca` is the key `ca` of the map `tls`. */
  readonly name: string
  /** The values that the key takes, in words: `integer, 1 to 64`. */
  readonly type: string
  readonly isRequired: boolean
  /** The value that stands for a missing key. Undefined if there is no such value, or if it depends on other settings. */
  readonly default?: unknown
  readonly description: string
}

/** The keys of a spec in the order of its schema. After the key of a map come the keys of that map. */
export function specFields(spec: TSchema, path = ''): readonly SpecField[] {
  const schema: Schema = spec
  const keys = { ...schema.else?.properties, ...schema.properties }
  return Object.entries(keys).flatMap(([key, inner]) => {
    const name = path === '' ? key : `${path}.${key}`
    const field: SpecField = {
      name,
      type: typeText(inner),
      isRequired: schema.required?.includes(key) ?? false,
      ...(inner.default === undefined ? {} : { default: inner.default }),
      description: inner.description ?? '',
    }
    return [field, ...specFields(inner as TSchema, name)]
  })
}

/** The values that fit a schema, in words. */
function typeText(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return choices.map(typeText).join(' or ')
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length === 0)
    return schema.then === undefined || schema.else === undefined ? 'any value' : `${typeText(schema.then)} or ${typeText(schema.else)}`
  return types.map((type) => oneType(type, schema)).join(' or ')
}

function oneType(type: string, schema: Schema): string {
  switch (type) {
    case 'integer':
    case 'number':
      return `${type}${rangeText(schema)}`
    case 'array': {
      const items = schema.items === undefined ? '' : ` of ${typeText(schema.items)}`
      const { minItems, maxItems } = schema
      return minItems !== undefined && minItems === maxItems ? `list of ${minItems}${items.replace(/^ of/, ':')}` : `list${items}`
    }
    case 'object': {
      const [values] = Object.values(schema.patternProperties ?? {})
      return values === undefined ? 'map' : `map of names to ${typeText(values)}`
    }
    default:
      return type
  }
}

function rangeText({ minimum, exclusiveMinimum, maximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`
  const parts = [
    ...(minimum === undefined ? [] : [`at least ${minimum}`]),
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(maximum === undefined ? [] : [`at most ${maximum}`]),
  ]
  return parts.map((part) => `, ${part}`).join('')
}

/** The keywords of JSON Schema that bee types use. */
interface Schema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly properties?: { readonly [key: string]: Schema }
  readonly patternProperties?: { readonly [pattern: string]: Schema }
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly then?: Schema
  readonly else?: Schema
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
}
