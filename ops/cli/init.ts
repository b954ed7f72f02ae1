import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { type ProjectOptions, writeProject } from '../init/project.ts'
import { exitStatus } from './exit-status.ts'
import { ownPackage } from './own-package.ts'
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

/** The running Waggle for package.json: a published version, or the folder of a clone. */
function ownSpec(): string {
  const root = resolve(import.meta.dirname, '..', '..')
  return existsSync(resolve(root, 'package-lock.json')) ? `file:${root}` : `^${ownPackage.version}`
}
