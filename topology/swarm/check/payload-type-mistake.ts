/** The reason why a value is not a payload type, as the end of a sentence. Null if the value is a payload type: a JSON Schema, or `{ tensors }`. */
export function payloadTypeMistake(value: unknown): string | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return 'is not a JSON Schema or { tensors }'
  if (!('tensors' in value)) return null
  const { tensors } = value
  if (tensors === null || typeof tensors !== 'object' || Array.isArray(tensors)) return 'has tensors that are not an object by name'
  for (const [name, tensor] of Object.entries(tensors as { readonly [name: string]: unknown })) {
    const { dtype, shape } = (tensor ?? {}) as { readonly dtype?: unknown; readonly shape?: unknown }
    if (typeof dtype !== 'string') return `has a tensor ${name} without a dtype`
    if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size >= -1))
      return `has a tensor ${name} whose shape is not a list of sizes, with -1 for a free one`
  }
  return null
}
