import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ownManifest, ownPackage } from '../../topology/own-package.ts'
import { type ProjectOptions, writeProject } from '../init/project.ts'
import { exitStatus } from './exit-status.ts'
import { shellWord } from './shell-word.ts'

export interface InitOptions {
  readonly template: ProjectOptions['template']
  readonly json: boolean
}

/** `waggle init DIR`: writes a project that depends on the running Waggle. */
export function init(directory: string, { template, json }: InitOptions): number {
  const files = writeProject({ directory, template, waggle: { name: ownPackage.name, spec: ownSpec() } })
  if (json) process.stdout.write(`${JSON.stringify({ directory: resolve(directory), template, files })}\n`)
  else {
    const folder = relative('.', directory) || '.'
    // A folder whose name begins with a dash would be an option of `cd`, and `cd -` means the folder before.
    const cd = shellWord(folder.startsWith('-') ? `./${folder}` : folder)
    process.stdout.write(`${files.map((file) => `  ${file}\n`).join('')}\n  cd ${cd}\n  npm install\n  npm start\n`)
  }
  return exitStatus.done
}

/** The running Waggle as a dependency: the folder of a clone, the packed file that it was installed from, or a published version. */
function ownSpec(): string {
  const root = resolve(import.meta.dirname, '..', '..')
  if (existsSync(resolve(root, 'package-lock.json'))) return `file:${root}`
  const file = installedFrom()
  return file === null ? `^${ownPackage.version}` : `file:${file}`
}

/**
 * The packed file from which npm has installed this package; null if it came from a registry. npm's list in node_modules has the origin of each
 * package.
 */
function installedFrom(): string | null {
  const [, folder = ''] = /^(.*)\/node_modules\/[^/]+$/.exec(dirname(ownManifest)) ?? []
  const list = join(folder, 'node_modules', '.package-lock.json')
  if (folder === '' || !existsSync(list)) return null
  const { packages } = JSON.parse(readFileSync(list, 'utf8')) as { readonly packages?: { readonly [path: string]: { readonly resolved?: string } } }
  const [, file] = /^file:(.*\.tgz)$/.exec(packages?.[`node_modules/${ownPackage.name}`]?.resolved ?? '') ?? []
  return file === undefined ? null : resolve(folder, file)
}
