import { type Fields, isFields } from '../../topology/fields.ts'
/** The fields of a JSON object in a text of another program; none if the text is anything else. */
export function jsonFields(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : {}
  } catch {
    return {}
  }
}
