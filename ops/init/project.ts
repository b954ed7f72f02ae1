import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { makeDirectory } from '../../connectors/system/file-error.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface ProjectOptions {
  readonly directory: string
  readonly template: 'hello' | 'teddy' | 'streams'
  /** The Waggle that the project depends on, as its package.json names it. */
  readonly waggle: { readonly name: string; readonly spec: string }
}

/**
 * Writes a project of one's own into a folder that is new or empty, and gives the paths of its files. Throws WAGGLE_NOT_EMPTY for a folder that has
 * something in it, and WAGGLE_FILE_UNUSABLE for one that cannot be made.
 */
export function writeProject({ directory, template, waggle }: ProjectOptions): readonly string[] {
  makeDirectory(directory)
  if (readdirSync(directory).length > 0) {
    throw new WaggleError('WAGGLE_NOT_EMPTY', { message: `${directory} is not empty`, next: 'Name a folder that is new or empty.' })
  }
  const name = packageNameOf(directory)
  cpSync(join(import.meta.dirname, 'templates', template), directory, { recursive: true })
  const readme = join(directory, 'README.md')
  writeFileSync(readme, readFileSync(readme, 'utf8').replaceAll('{{name}}', name))
  const manifest = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    // `waggle` and `waggle-node` bring Node 24 along where the machine's is older.
    scripts: { start: template === 'streams' ? 'exec waggle-node word-count.ts' : 'exec waggle run swarm.yaml', test: 'exec waggle-node --test' },
    dependencies: { [waggle.name]: waggle.spec },
    devDependencies: { '@types/node': '^24' },
  }
  const written = {
    'package.json': json(manifest),
    'tsconfig.json': json(compiling),
    // Waggle's dependencies load from what their packages ship; some of their install scripts would download more.
    '.npmrc': 'ignore-scripts=true\n',
    '.gitignore': 'node_modules/\n.waggle/\n',
  }
  for (const [file, text] of Object.entries(written)) writeFileSync(join(directory, file), text)
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort()
}

/** For the editor: Node runs the sources as they are. */
const compiling = {
  compilerOptions: {
    target: 'es2024',
    // The last three are those of Waggle's sources, which a project has before it where it takes Waggle from a clone.
    lib: ['es2024', 'esnext.disposable', 'esnext.iterator', 'esnext.collection', 'esnext.array'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    allowImportingTsExtensions: true,
    noEmit: true,
  },
}

/** npm takes lower-case letters, digits and dashes. */
function packageNameOf(directory: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'my-swarm' : name
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
