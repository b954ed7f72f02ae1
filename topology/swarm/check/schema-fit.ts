/**
 * The keywords of JSON Schema by which types of neighbouring bees are compared. Values are checked against the other keywords only while the swarm
 * runs.
 */
interface Schema {
  readonly type?: unknown
  readonly properties?: { readonly [name: string]: Schema }
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minItems?: number
  readonly maxItems?: number
}

/**
 * The reason why JSON of one schema cannot be taken where another schema is wanted, as the end of a sentence. Null if the JSON fits, or if the
 * schemas do not show it. `path` is the place in the value: `scores.bear`.
 */
export function schemaMisfit(given: object, taken: object, path = ''): string | null {
  const [from, to]: readonly [Schema, Schema] = [given, taken]
  const [types, wanted] = [typesOf(from), typesOf(to)]
  const isJson = [...(types ?? []), ...(wanted ?? [])].every((type) => type !== 'bytes' && type !== 'tensors')
  const what = path !== '' ? `${path} as` : isJson ? 'JSON of type' : ''
  if (types !== null && wanted !== null && !types.some((type) => fits(type, wanted)))
    return `gives ${what === '' ? '' : `${what} `}${types.join(' or ')}, where ${wanted.join(' or ')} is taken`
  const [values, others] = [valuesOf(from), valuesOf(to)]
  if (values !== null && others !== null && !values.some((value) => others.some((other) => isSame(value, other))))
    return `gives ${path === '' ? 'one of' : `${path} as one of`} ${shown(values)}, where one of ${shown(others)} is taken`
  return membersMisfit(from, to, path) ?? itemsMisfit(from, to, path)
}

/** If an output lists its members, it is assumed to have no other members. */
function membersMisfit({ properties: given }: Schema, { properties: taken = {}, required = [] }: Schema, path: string): string | null {
  if (given === undefined) return null
  const names = Object.keys(given)
  const missing = names.length === 0 ? undefined : required.find((name) => !Object.hasOwn(given, name))
  if (missing !== undefined)
    return `gives no ${inside(path, missing)} (it gives ${names.map((name) => inside(path, name)).join(', ')}), which is taken`
  for (const [name, schema] of Object.entries(taken)) {
    const own = Object.hasOwn(given, name) ? given[name] : undefined
    const misfit = own === undefined ? null : schemaMisfit(own, schema, inside(path, name))
    if (misfit !== null) return misfit
  }
  return null
}

function itemsMisfit(given: Schema, taken: Schema, path: string): string | null {
  const name = path === '' ? 'a list' : path
  if (given.maxItems !== undefined && taken.minItems !== undefined && given.maxItems < taken.minItems)
    return `gives ${name} of at most ${given.maxItems} items, where at least ${taken.minItems} are taken`
  if (given.minItems !== undefined && taken.maxItems !== undefined && given.minItems > taken.maxItems)
    return `gives ${name} of at least ${given.minItems} items, where at most ${taken.maxItems} are taken`
  return given.items === undefined || taken.items === undefined ? null : schemaMisfit(given.items, taken.items, `${path}[]`)
}

function typesOf({ type }: Schema): readonly string[] | null {
  if (type === undefined) return null
  const types = [type].flat().filter((one): one is string => typeof one === 'string')
  return types.length === 0 ? null : types
}

function fits(type: string, wanted: readonly string[]): boolean {
  return wanted.includes(type) || (type === 'integer' && wanted.includes('number')) || (type === 'number' && wanted.includes('integer'))
}

function valuesOf(schema: Schema): readonly unknown[] | null {
  return Object.hasOwn(schema, 'const') ? [schema.const] : (schema.enum ?? null)
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function shown(values: readonly unknown[]): string {
  return values
    .slice(0, 10)
    .map((value) => JSON.stringify(value))
    .join(', ')
}

function inside(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
