import { existsSync, realpathSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import type { SwarmText } from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm } from '../beekeeper/running-swarm.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { type ConfigSource, loadConfig } from '../config/config.ts'

/** A swarm of a server. Its relative paths begin in a directory inside the server's directory, and may not lead out of the server's directory. */
export interface ServedText extends ConfiguredSwarm {
  readonly directory: string
  readonly within: string
}

export interface ServerPlace {
  /** The directory in which the server was started. */
  readonly root: string
  readonly env: ConfigSource['env']
}

/**
 * Checks the text of a swarm. Throws WAGGLE_INVALID_SWARM with every mistake, and WAGGLE_OUTSIDE_DIRECTORY for a directory outside the server's
 * directory.
 */
export function configuredText({ text, file, directory }: SwarmText, { root, env }: ServerPlace): ServedText {
  const own = directoryIn(root, directory)
  const registry = beeRegistry(own ?? root)
  const swarm = checkSwarm(SwarmDocument.read(Buffer.from(text), file), registry)
  if (own === null) {
    throw new WaggleError('WAGGLE_OUTSIDE_DIRECTORY', {
      message: 'The directory of the swarm is not a directory inside of the one in which the server was started',
      next: 'Put the swarm’s files into the server’s directory, or start `waggle serve` in a directory that has them. Commands name its folder at another machine by `--directory`.',
    })
  }
  return { swarm, registry, config: loadConfig({ directories: [own, root], env }), directory: own, within: root }
}

/**
 * The directory relative to the server's directory, in the form for a definition. A server that is moved together with its files still finds them.
 */
export function keptDirectory(root: string, directory: string): string {
  return relative(root, directory) || '.'
}

/** The absolute path of a directory; null if it is outside the root, or not a directory. */
function directoryIn(root: string, directory: string | null): string | null {
  if (directory === null) return root
  const path = resolve(root, directory)
  const isDirectory = existsSync(path) && statSync(path).isDirectory()
  const [outer, inner] = [realpathSync(root), isDirectory ? realpathSync(path) : path]
  if (isDirectory && (inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep))) return join(root, relative(outer, inner))
  return null
}
