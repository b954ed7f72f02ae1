import { resolve } from 'node:path'
import { ownWaggle } from '../init/own-waggle.ts'
import { type ProjectOptions, writeProject } from '../init/project.ts'
import { exitStatus } from './exit-status.ts'
import { folderWord } from './shell-word.ts'

export interface InitOptions {
  readonly template: ProjectOptions['template']
  readonly json: boolean
}

/** `waggle init DIR`: writes a project that depends on the Waggle that runs this command. */
export function init(directory: string, { template, json }: InitOptions): number {
  const files = writeProject({ directory, template, waggle: ownWaggle() })
  if (json) process.stdout.write(`${JSON.stringify({ directory: resolve(directory), template, files })}\n`)
  else {
    process.stdout.write(`${files.map((file) => `  ${file}\n`).join('')}\n  cd ${folderWord(directory)}\n  npm install\n  npm start\n`)
  }
  return exitStatus.done
}
