import type { Secret } from '../secrets/secret.ts'

/** Secrets by name. The environment, a folder of files and an encrypted store are kinds of it. */
export interface Secrets {
  /** The secret; null if there is none of this name. Throws WAGGLE_SECRET_UNREADABLE if it is there and cannot be read. */
  find(name: string): Secret | null
  /** The names that `find` knows. */
  names(): readonly string[]
  /** The way to set a secret here, as the end of a sentence that begins with a verb. */
  howToSet(name: string): string
}
