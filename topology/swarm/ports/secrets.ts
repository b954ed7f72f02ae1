import type { Secret } from '../secrets/secret.ts'

/** Finds secrets by name, in the environment, in a folder of files, or in an encrypted store. */
export interface Secrets {
  /** The secret; null if there is no secret of this name. Throws WAGGLE_SECRET_UNREADABLE if the secret exists and cannot be read. */
  find(name: string): Secret | null
  /** The names that `find` knows. */
  names(): readonly string[]
  /** The way to set a secret on this machine, as the end of a sentence that begins with a verb. */
  howToSet(name: string): string
}
