import { cpSync, symlinkSync } from 'node:fs'
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
