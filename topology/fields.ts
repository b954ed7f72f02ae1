/** The named fields of a value from outside, such as a parsed text. Nothing is known about their types. */
export interface Fields {
  readonly [name: string]: unknown
}

/** True for an object with named fields. A list has none. */
export function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
