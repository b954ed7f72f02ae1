import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..', '..')

/** The files that `npm pack` reads. */
const packed = ['topology', 'processor', 'bees', 'connectors', 'ops', 'package.json', 'tsconfig.json', 'tsconfig.package.json']
const described = ['README.md', 'LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs', '.npmrc']

/** Copies the files for `npm pack` to `directory`. npm changes package.json while it packs, and other tests read the original file. */
export function cloneToPack(directory: string): void {
  for (const file of [...packed, ...described]) cpSync(join(root, file), join(directory, file), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
}

/**
 * Copies the files of a clone that its commands need to `directory`. It passes for installed: its packages are links, so that an installation that
 * replaces them leaves those of this clone alone.
 */
export function cloneToUse(directory: string): void {
  const modules = join(directory, 'node_modules')
  for (const file of [...packed, ...described, 'package-lock.json']) cpSync(join(root, file), join(directory, file), { recursive: true })
  mkdirSync(modules)
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '.waggle-installed') symlinkSync(join(root, 'node_modules', name), join(modules, name))
  writeFileSync(
    join(modules, '.waggle-installed'),
    createHash('sha256')
      .update(readFileSync(join(root, 'package-lock.json')))
      .digest('hex'),
  )
}
