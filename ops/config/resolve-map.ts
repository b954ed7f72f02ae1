import { access, constants, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ResolvedKind } from '../../bees/define-bee.ts'
import { maxFileBytes } from '../../connectors/objects/check-listing.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A path, or a program with its arguments. */
export type Resolution = string | readonly string[]

/**
 * Maps the names in a swarm file to files and programs of this machine. The longest prefix wins. Paths are relative to the file that contains the
 * map.
 */
export class ResolveMap {
  readonly #entries: readonly (readonly [prefix: string, target: Resolution])[]
  readonly #directory: string

  constructor(map: { readonly [prefix: string]: Resolution }, directory: string) {
    this.#entries = Object.entries(map).sort(([a], [b]) => b.length - a.length)
    this.#directory = directory
  }

  /** True if the map contains a place on this machine for the name. */
  has(name: string): boolean {
    return typeof this.#find(name)?.[1] === 'string'
  }

  /** True if the name leads out of the folder that the map names. */
  climbs(name: string): boolean {
    return name.slice(this.#find(name)?.[0].length).split('/').includes('..')
  }

  /**
   * The path of a file on this machine, from the map, or else relative to the swarm's directory. Throws WAGGLE_NOT_RESOLVED for a file on another
   * machine.
   */
  async path(uri: string, swarmDirectory: string, kind: ResolvedKind = 'file'): Promise<string> {
    const entry = this.#find(uri)
    if (entry !== undefined && typeof entry[1] === 'string')
      return this.#existing(uri, join(resolve(this.#directory, entry[1]), uri.slice(entry[0].length)), kind)
    if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) return this.#existing(uri, resolve(swarmDirectory, uri), kind)
    const scheme = uri.slice(0, uri.lastIndexOf('/') + 1)
    throw new WaggleError('WAGGLE_NOT_RESOLVED', {
      message: `${uri} is not on this machine`,
      next: `Say in waggle.yaml where the file is: resolve: {"${scheme}": ./a-directory/}.`,
    })
  }

  /** The command that replaces a container image; null if the map has no command for the image. */
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

  async #existing(uri: string, path: string, kind: ResolvedKind): Promise<string> {
    const why = await unusable(path, kind)
    if (why === null) return path
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: `${why} ${path}${path.endsWith(uri) ? '' : ` (for ${uri})`}`,
      next: 'Correct the path in the swarm, or the resolve: map of waggle.yaml.',
    })
  }
}

/**
 * The reason why a path cannot be used; null for a regular, readable file. A device or a pipe is refused, because it may return bytes without end, or
 * no bytes.
 */
async function unusable(path: string, kind: ResolvedKind): Promise<string | null> {
  try {
    const stats = await stat(path)
    if (stats.isDirectory() && kind === 'file or folder') return null
    if (stats.isDirectory()) return 'A file is needed, and this is a directory:'
    // The kernel reports size 0 for all files of /proc and /sys.
    if (!stats.isFile() || /^\/(proc|sys)\//.test(await realpath(path))) return 'A regular file is needed, and this is none:'
    if (stats.size > maxFileBytes) return `A file of at most ${maxFileBytes} bytes is needed, and this is larger:`
    await access(path, constants.R_OK)
    return null
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'There is no file' : `A file cannot be read (${code}):`
  }
}
