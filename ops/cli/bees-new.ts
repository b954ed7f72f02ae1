import { resolve } from 'node:path'
import { writeBeeProject } from '../init/bee-project.ts'
import { ownWaggle } from '../init/own-waggle.ts'
import { exitStatus } from './exit-status.ts'
import { folderWord } from './shell-word.ts'

/** `waggle bees new DIR`: writes a package with a new bee type, a test and a README. */
export function beesNew(directory: string, { json }: { readonly json: boolean }): number {
  const { name, type, files } = writeBeeProject(directory, ownWaggle())
  process.stdout.write(
    json
      ? `${JSON.stringify({ directory: resolve(directory), name, type, files })}\n`
      : `${files.map((file) => `  ${file}\n`).join('')}\n  cd ${folderWord(directory)}\n  npm install\n  npm test\n`,
  )
  return exitStatus.done
}
