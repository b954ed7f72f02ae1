import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ownManifest, ownPackage } from '../../topology/own-package.ts'

/** The Waggle on which a new project depends: the name and the version of the dependency in package.json. */
export interface OwnWaggle {
  readonly name: string
  readonly spec: string
}

/** The Waggle that runs this code. */
export function ownWaggle(): OwnWaggle {
  return { name: ownPackage.name, spec: ownSpec() }
}

/**
 * The version that makes a package.json depend on the running Waggle: the folder of a clone, the packed file from which Waggle was installed, or a
 * published version.
 */
function ownSpec(): string {
  const root = resolve(import.meta.dirname, '..', '..')
  if (existsSync(resolve(root, 'package-lock.json'))) return `file:${root}`
  const file = installedFrom()
  return file === null ? `^${ownPackage.version}` : `file:${file}`
}

/**
 * The packed file from which npm has installed this package; null if this package came from a registry. npm's list in node_modules has the origin of
 * each package.
 */
function installedFrom(): string | null {
  const [, folder = ''] = /^(.*)\/node_modules\/[^/]+$/.exec(dirname(ownManifest)) ?? []
  const list = join(folder, 'node_modules', '.package-lock.json')
  if (folder === '' || !existsSync(list)) return null
  const { packages } = JSON.parse(readFileSync(list, 'utf8')) as { readonly packages?: { readonly [path: string]: { readonly resolved?: string } } }
  const [, file] = /^file:(.*\.tgz)$/.exec(packages?.[`node_modules/${ownPackage.name}`]?.resolved ?? '') ?? []
  return file === undefined ? null : resolve(folder, file)
}
