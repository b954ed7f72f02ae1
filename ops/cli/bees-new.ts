import { dirname, resolve } from 'node:path'
import { pythonSdk } from '../beekeeper/python-sdk-folder.ts'
import { writeBeeProject, writePythonBeeProject } from '../init/bee-project.ts'
import { ownWaggle } from '../init/own-waggle.ts'
import { exitStatus } from './exit-status.ts'
import { folderWord, shellWord } from './shell-word.ts'

/** `waggle bees new DIR`: writes an npm or a Python package with a new bee type, a test and a README. */
export function beesNew(directory: string, { json, python = false }: { readonly json: boolean; readonly python?: boolean }): number {
  const sdk = shellWord(dirname(pythonSdk()))
  const { name, type, files } = python ? writePythonBeeProject(directory, { waggle: ownWaggle(), sdk }) : writeBeeProject(directory, ownWaggle())
  const next = python ? ['python3 -m venv .venv', `.venv/bin/pip install pytest ${sdk} -e .`, '.venv/bin/pytest'] : ['npm install', 'npm test']
  process.stdout.write(
    json
      ? `${JSON.stringify({ directory: resolve(directory), name, type, files })}\n`
      : `${files.map((file) => `  ${file}\n`).join('')}\n${[`cd ${folderWord(directory)}`, ...next].map((line) => `  ${line}\n`).join('')}`,
  )
  return exitStatus.done
}
