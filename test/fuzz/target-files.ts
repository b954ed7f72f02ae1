import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The places of a target's module and its corpus. */
export interface TargetFiles {
  readonly name: string
  /** The URL of the module. */
  readonly module: string
  readonly corpus: string
}

/** Each `NAME-target.ts` of the folder, in the order of the names. */
export function targetsIn(directory: string): readonly TargetFiles[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('-target.ts'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'-target.ts'.length)
      return { name, module: pathToFileURL(join(directory, file)).href, corpus: join(directory, 'corpus', name) }
    })
}

/** Every input that has broken the target before, in the order of the file names. */
export function corpusOf({ corpus }: Pick<TargetFiles, 'corpus'>): readonly { readonly file: string; readonly bytes: Uint8Array }[] {
  try {
    return readdirSync(corpus)
      .sort()
      .map((name) => ({ file: join(corpus, name), bytes: readFileSync(join(corpus, name)) }))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
}

/** Adds an input to the target's corpus, under the hash of its bytes, and returns its path. */
export function keep({ corpus }: Pick<TargetFiles, 'corpus'>, input: Uint8Array): string {
  mkdirSync(corpus, { recursive: true })
  const file = join(corpus, `${createHash('sha256').update(input).digest('hex').slice(0, 16)}.bin`)
  writeFileSync(file, input)
  return file
}
