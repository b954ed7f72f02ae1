import { Document, isMap, isSeq, visit } from 'yaml'
import type { BeeTypeInfo, PayloadType } from '../../topology/swarm/bee-type.ts'
import { type SpecField, specFields } from '../../topology/swarm/check/spec-fields.ts'

/** A bee type in the form that `waggle bees catalog TYPE --json` prints. All members come from the type's definition. */
export interface CatalogEntry {
  readonly type: string
  readonly aliases: readonly string[]
  readonly role: string
  readonly summary: string
  readonly fields: readonly (Omit<SpecField, 'isRequired'> & { readonly required: boolean })[]
  readonly examples: readonly unknown[]
  readonly delivery: string
  readonly input: PayloadType | null
  readonly output: PayloadType | null
  /** The JSON Schema of the spec. */
  readonly schema: object
}

export function catalogEntry(type: BeeTypeInfo): CatalogEntry {
  const { aliases, role, summary, delivery, spec, input, output, examples } = type
  const fields = specFields(spec).map(({ isRequired, name, type: kind, ...rest }) => ({ name, type: kind, required: isRequired, ...rest }))
  return { type: type.type, aliases, role, summary, fields, examples, delivery, input, output, schema: spec }
}

/** An example of a bee type as a list item of a swarm file. */
export function exampleText({ type, role, schema }: Pick<CatalogEntry, 'type' | 'role' | 'schema'>, spec: unknown): string {
  const isEmpty = spec === null || typeof spec !== 'object' || Object.keys(spec).length === 0
  const bee = { name: `my-${type}`, type, ...(role === 'gateway' ? {} : { input: inputFor(spec, { role, schema }) }), ...(isEmpty ? {} : { spec }) }
  const document = new Document([bee])
  visit(document, {
    Collection(_, node) {
      if (!isSeq(node) && !isMap(node)) return
      const isFlat = Object.values(node.toJSON()).every((value) => value === null || typeof value !== 'object')
      node.flow = isFlat && (isSeq(node) || node.items.length === 1)
    },
  })
  return document.toString({ lineWidth: 0, indentSeq: false, flowCollectionPadding: false })
}

/**
 * The `input` of an example: a join of the bees that the spec names as inputs, or else any bee. For a loop or a cache, the bee that comes back is
 * also an input.
 */
function inputFor(spec: unknown, { role, schema }: Pick<CatalogEntry, 'role'> & { readonly schema: InputSchema }): object {
  if (role === 'merge') return { stack: ['another-bee', 'a-third-bee'] }
  if (role === 'loop' || role === 'cache') return { stack: ['another-bee', (spec as { readonly body?: unknown }).body] }
  const named = Object.entries(spec ?? {}).flatMap(([key, value]) => (schema.properties?.[key]?.keysAre === 'inputs' ? Object.keys(value) : []))
  return named.length > 1 ? { join: named } : { name: 'another-bee' }
}

interface InputSchema {
  readonly properties?: { readonly [key: string]: { readonly keysAre?: string } }
}

/** A short text for a type of values, such as `tensors`; null if the type is unknown. */
export function payloadText(type: PayloadType | null): string | null {
  if (type === null) return null
  if (!('tensors' in type)) return 'JSON that fits the schema'
  const tensors = Object.entries(type.tensors as { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } })
  return tensors.length === 0 ? 'tensors' : tensors.map(([name, { dtype, shape }]) => `${name} (${dtype} [${shape.join(', ')}])`).join(', ')
}
