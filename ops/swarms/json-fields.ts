export interface JsonFields {
  readonly [key: string]: unknown
}

/** The fields of a JSON object in a text of another program; none if the text is anything else. */
export function jsonFields(text: string): JsonFields {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : {}
  } catch {
    return {}
  }
}

export function isFields(value: unknown): value is JsonFields {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
