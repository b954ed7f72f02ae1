import { beeKeyword } from '../../connectors/packages/bee-package.ts'
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
  const type = packageNameOf(directory, waggle.name).replace(/^waggle-bee-/, '')
  const name = `waggle-bee-${type}`
  const filled = (content: Uint8Array) => Buffer.from(content).toString().replaceAll('{{name}}', name).replaceAll('{{type}}', type)
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
      ...[...templateFiles('bee')].map(([file, content]) => [file, filled(content)] as const),
      ['package.json', `${JSON.stringify(manifest, null, 2)}\n`],
      ['.npmrc', 'ignore-scripts=true\n'],
      ['.gitignore', 'node_modules/\n'],
    ])
  })
  return { name, type, files }
}
