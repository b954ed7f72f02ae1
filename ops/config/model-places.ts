import { realpath, stat } from 'node:fs/promises'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FetchWish, ResolvedKind } from '../../bees/define-bee.ts'
import { sha256Of } from '../../connectors/objects/cache-entry.ts'
import { invalidAddress } from '../../connectors/objects/invalid-address.ts'
import { packageFile } from '../../connectors/objects/package-file.ts'
import { RemoteModels } from '../../connectors/objects/remote-models.ts'
import { HostNotAllowed } from '../../connectors/objects/web-address.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ResolveMap } from './resolve-map.ts'

export interface ModelPlacesOptions {
  readonly resolve: ResolveMap
  /** The directory of the swarm file. */
  readonly directory: string
  readonly remote: RemoteModels
  /** If false, nothing is fetched, and only the form of an address is checked. */
  readonly mayFetch: boolean
  /**
   * The directory that must contain the swarm's files. Files outside are refused with WAGGLE_OUTSIDE_DIRECTORY, unless the `resolve:` map or a
   * package names them. Default: every file is allowed.
   */
  readonly within?: string
}

/**
 * Finds the files that a swarm names, by the `resolve:` map, else by their path. With a `FetchWish`, a file may also come from a package, an object
 * store or a web server.
 */
export class ModelPlaces {
  readonly #options: ModelPlacesOptions

  constructor(options: ModelPlacesOptions) {
    this.#options = options
  }

  /** The path of a file on this machine. Throws WAGGLE_NOT_RESOLVED, WAGGLE_FILE_NOT_FOUND, and the errors of `ModelCache.path`. */
  async path(uri: string, kind: ResolvedKind = 'file', fetch?: FetchWish): Promise<string> {
    const { resolve, directory } = this.#options
    if (fetch === undefined) return this.#allowed(uri, await resolve.path(uri, directory, kind))
    if (RemoteModels.isRemote(uri) && !resolve.has(uri)) return this.#remotePath(uri, kind, fetch)
    const found = await resolve.path(resolve.has(uri) ? uri : localPath(uri, directory), directory, kind)
    // The file of a package is inside the package, so `within` does not apply.
    const path = /^npm:/i.test(uri) && !resolve.has(uri) ? found : await this.#allowed(uri, found)
    if (fetch.sha256 !== undefined) await requireHash(uri, path, fetch.sha256)
    return path
  }

  /** Returns the path if the swarm may use it. For a link, the target of the link decides. */
  async #allowed(uri: string, path: string): Promise<string> {
    const { within, resolve } = this.#options
    if (within === undefined || (resolve.has(uri) && !resolve.climbs(uri))) return path
    const [root, real] = await Promise.all([realpath(within), realpath(path)])
    if (real === root || real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return path
    throw new WaggleError('WAGGLE_OUTSIDE_DIRECTORY', {
      message: `${uri} is outside of the directory in which the server was started`,
      next: 'Put the file into that directory, name it as npm:, s3: or https:, or map it under resolve: of the server’s waggle.yaml.',
    })
  }

  async #remotePath(address: string, kind: ResolvedKind, fetch: FetchWish): Promise<string> {
    const { remote, mayFetch } = this.#options
    if (mayFetch) return remote.path({ address, kind, ...fetch })
    checkForm(remote, address)
    const here = await remote.pathHere({ address, kind, ...(fetch.sha256 === undefined ? {} : { sha256: fetch.sha256 }) })
    if (here !== null) return here
    const folder = address.slice(0, address.lastIndexOf('/') + 1)
    throw new WaggleError('WAGGLE_NOT_RESOLVED', {
      message: `${shownAddress(address)} is not on this machine`,
      next: `\`waggle run\` fetches the model. Or name a folder that has the model under resolve: of waggle.yaml: {"${folder}": ./a-directory/}.`,
    })
  }
}

/**
 * Checks the form of an address. Throws WAGGLE_MODEL_SOURCE for a wrong form. A forbidden host gets WAGGLE_NOT_RESOLVED instead, because the machine
 * that runs the swarm may allow the host.
 */
function checkForm(remote: RemoteModels, address: string): void {
  try {
    remote.check(address)
  } catch (thrown) {
    throw thrown instanceof HostNotAllowed ? new WaggleError('WAGGLE_NOT_RESOLVED', thrown) : thrown
  }
}

/** The path of a `file:` or an `npm:` address. Any other text is already a path. */
function localPath(uri: string, directory: string): string {
  if (/^npm:/i.test(uri)) return packageFile(uri, directory)
  if (!/^file:/i.test(uri)) return uri
  if (!/^file:\//i.test(uri)) return uri.slice('file:'.length)
  try {
    return fileURLToPath(uri)
  } catch (thrown) {
    throw invalidAddress(uri, thrown instanceof Error ? thrown.message : String(thrown), 'Write file:///PATH, or a path without file:.')
  }
}

async function requireHash(uri: string, path: string, sha256: string): Promise<void> {
  if ((await stat(path)).isDirectory()) {
    throw new WaggleError('WAGGLE_MODEL_DIFFERS', {
      message: `${uri} is a folder, and sha256 is the hash of one file`,
      next: 'Leave sha256 out, or name a file.',
    })
  }
  const found = await sha256Of(path)
  if (found === sha256.toLowerCase()) return
  throw new WaggleError('WAGGLE_MODEL_DIFFERS', {
    message: `${uri} has the SHA-256 ${found}, and the spec names ${sha256}`,
    next: 'Correct sha256 in the bee’s spec if this is the model that you mean. Else somebody has changed the model.',
  })
}
