import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A path, or a program with its arguments. */
export type Resolution = string | readonly string[]

/** What a swarm names, on this machine: by longest prefix, relative to the file that says so. */
export class ResolveMap {
  readonly #entries: readonly (readonly [prefix: string, target: Resolution])[]
  readonly #directory: string

  constructor(map: { readonly [prefix: string]: Resolution }, directory: string) {
    this.#entries = Object.entries(map).sort(([a], [b]) => b.length - a.length)
    this.#directory = directory
  }

  /** A file of this machine: mapped, else a path relative to the swarm's directory. WAGGLE_NOT_RESOLVED for what is elsewhere. */
  async path(uri: string, swarmDirectory: string): Promise<string> {
    const entry = this.#find(uri)
    if (entry !== undefined && typeof entry[1] === 'string') return this.#existing(uri, join(this.#directory, entry[1], uri.slice(entry[0].length)))
    if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) return this.#existing(uri, resolve(swarmDirectory, uri))
    const scheme = uri.slice(0, uri.lastIndexOf('/') + 1)
    throw new WaggleError('WAGGLE_NOT_RESOLVED', {
      message: `${uri} is not on this machine`,
      next: `Say in waggle.yaml where it is: resolve: {"${scheme}": ./a-directory/}.`,
    })
  }

  /** The command that stands in for a container image; null where there is none. */
  command(image: string): readonly string[] | null {
    const target = this.#find(image)?.[1]
    if (target === undefined || typeof target === 'string') return null
    const [program = '', ...rest] = target
    return [program === 'node' ? process.execPath : this.#local(program), ...rest.map((argument) => this.#local(argument))]
  }

  #find(name: string): readonly [string, Resolution] | undefined {
    return this.#entries.find(([prefix]) => name.startsWith(prefix))
  }

  #local(word: string): string {
    return /^\.\.?(\/|$)/.test(word) ? resolve(this.#directory, word) : word
  }

  async #existing(uri: string, path: string): Promise<string> {
    try {
      await access(path)
      return path
    } catch (cause) {
      throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
        message: `There is no file ${path}${path.endsWith(uri) ? '' : ` (for ${uri})`}`,
        next: 'Correct the path in the swarm, or the resolve: map of waggle.yaml.',
        cause,
      })
    }
  }
}
