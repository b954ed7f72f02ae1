import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Directories of a test, which the test removes together at its end. */
export class TemporaryDirectories {
  readonly #prefix: string
  readonly #made: string[] = []

  /** The name of each directory begins with `waggle-` and the prefix. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  make(): string {
    const directory = mkdtempSync(join(tmpdir(), `waggle-${this.#prefix}-`))
    this.#made.push(directory)
    return directory
  }

  remove(): void {
    for (const directory of this.#made.splice(0)) rmSync(directory, { recursive: true, force: true })
  }
}
