import { basename, resolve } from 'node:path'
import { beeKeyword } from '../../connectors/packages/bee-package.ts'
import { shellWord } from '../cli/shell-word.ts'
import type { OwnWaggle } from './own-waggle.ts'
import { packageNameOf, templateFiles, writeNewFolder } from './project.ts'

/** A new package with a bee type. */
export interface BeeProject {
  readonly name: string
  readonly type: string
  readonly files: readonly string[]
}

/** Writes a package with a bee type and its test into an empty or missing folder. Throws the errors of `writeProject`. */
export function writeBeeProject(directory: string, waggle: OwnWaggle): BeeProject {
  const { name, type } = namesOf(directory, waggle)
  const files = writeNewFolder(directory, () => {
    const manifest = {
      name,
      version: '0.1.0',
      description: 'A bee for Waggle',
      keywords: [beeKeyword],
      type: 'module',
      exports: './index.js',
      files: ['index.js'],
      scripts: { test: 'exec waggle-node --test' },
      // As a peer dependency, Waggle is installed once for the swarm and its bees. The bee therefore uses `defineBee` of the Waggle that runs the
      // swarm.
      peerDependencies: { [waggle.name]: '*' },
      devDependencies: { [waggle.name]: waggle.spec },
    }
    return new Map<string, string>([
      ...[...templateFiles('bee')].map(([file, content]) => [file, filled(content, { name, type, folder: folderOf(directory) })] as const),
      ['package.json', `${JSON.stringify(manifest, null, 2)}\n`],
      ['.npmrc', 'ignore-scripts=true\n'],
      ['.gitignore', 'node_modules/\n'],
    ])
  })
  return { name, type, files }
}

/**
 * Writes a Python package with a bee type and its test into an empty or missing folder. `sdk` is the folder from which pip installs the package
 * `waggle`. Throws the errors of `writeProject`.
 */
export function writePythonBeeProject(directory: string, { waggle, sdk }: { readonly waggle: OwnWaggle; readonly sdk: string }): BeeProject {
  const { name, type } = namesOf(directory, waggle)
  const module = name.replaceAll('-', '_')
  const files = writeNewFolder(directory, () => {
    const texts = new Map(
      [...templateFiles('python-bee')].map(([file, content]) => [file, filled(content, { name, type, module, sdk, folder: folderOf(directory) })]),
    )
    const bee = texts.get('bee.py') ?? ''
    texts.delete('bee.py')
    return texts.set(`${module}/__init__.py`, bee).set('.gitignore', '.venv/\n__pycache__/\nbuild/\ndist/\n*.egg-info/\n')
  })
  return { name, type, files }
}

/** The name of the new folder, as a word of a command. */
function folderOf(directory: string): string {
  return shellWord(basename(resolve(directory)))
}

/** The names of the package and of the bee type, made from the name of the folder. */
function namesOf(directory: string, waggle: OwnWaggle): { readonly name: string; readonly type: string } {
  const type = packageNameOf(directory, waggle.name).replace(/^waggle-bee-/, '')
  return { name: `waggle-bee-${type}`, type }
}

function filled(content: Uint8Array, values: { readonly [placeholder: string]: string }): string {
  return Object.entries(values).reduce((text, [placeholder, value]) => text.replaceAll(`{{${placeholder}}}`, value), Buffer.from(content).toString())
}
