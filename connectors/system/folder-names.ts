import { readdirSync } from 'node:fs'

/** The names in a folder; none if the folder cannot be read, for example because it was deleted meanwhile. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
