import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileError, makeDirectory } from '../../connectors/system/file-error.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { OwnWaggle } from './own-waggle.ts'

export interface ProjectOptions {
  readonly directory: string
  readonly template: 'hello' | 'teddy' | 'python' | 'streams'
  readonly waggle: OwnWaggle
}

/**
 * Writes a new project into an empty or missing folder, and returns the paths of its files. Throws WAGGLE_NOT_EMPTY for a folder with files, and
 * WAGGLE_FILE_UNUSABLE for a folder that cannot be created.
 */
export function writeProject({ directory, template, waggle }: ProjectOptions): readonly string[] {
  return writeNewFolder(
    directory,
    () => new Map<string, string | Uint8Array>([...templateFiles(template), ...ownFiles({ directory, template, waggle })]),
  )
}

/** Writes files into a folder that is new or empty. A failed attempt empties the folder again. */
export function writeNewFolder(directory: string, filesOf: () => ReadonlyMap<string, string | Uint8Array>): readonly string[] {
  makeDirectory(directory, '', projectMode)
  if (readdirSync(directory).length > 0) {
    throw new WaggleError('WAGGLE_NOT_EMPTY', { message: `${directory} is not empty`, next: 'Name a folder that is new or empty.' })
  }
  const files = filesOf()
  try {
    for (const [file, content] of files) {
      makeDirectory(dirname(join(directory, file)), '', projectMode)
      writeFileSync(join(directory, file), content)
    }
  } catch (thrown) {
    // The folder was empty before, and the next attempt needs an empty folder.
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true })
    throw fileError(thrown) ?? thrown
  }
  return [...files.keys()].sort()
}

/** The permissions of a project's folders. A user may share a project. */
const projectMode = 0o777

/** The files of a template by their paths in the project. */
export function templateFiles(template: ProjectOptions['template'] | 'bee' | 'python-bee'): ReadonlyMap<string, Uint8Array> {
  const folder = join(import.meta.dirname, 'templates', template)
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.endsWith('.pyc'))
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path)]))
}

/** The files that every project has, including the README with the project's name. */
function ownFiles({ directory, template, waggle }: ProjectOptions): ReadonlyMap<string, string> {
  const name = packageNameOf(directory, waggle.name)
  const readme = readFileSync(join(import.meta.dirname, 'templates', template, 'README.md'), 'utf8')
  const manifest = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    // `waggle` and `waggle-node` install Node 24 if the machine's Node is older.
    scripts: { start: template === 'streams' ? 'exec waggle-node word-count.ts' : 'exec waggle run swarm.yaml', test: 'exec waggle-node --test' },
    dependencies: { [waggle.name]: waggle.spec },
    devDependencies: { '@types/node': '^24' },
  }
  return new Map([
    ['README.md', readme.replaceAll('{{name}}', name)],
    ['package.json', json(manifest)],
    ['tsconfig.json', json(compiling)],
    // Waggle's dependencies work without their install scripts, and some of these scripts would download more files.
    ['.npmrc', 'ignore-scripts=true\n'],
    ['.gitignore', 'node_modules/\n.waggle/\n'],
  ])
}

/** The options of the TypeScript compiler. Only an editor needs them, because Node runs the sources without compilation. */
const compiling = {
  compilerOptions: {
    target: 'es2024',
    // A project that uses a clone of Waggle also compiles Waggle's sources. These sources need the last three entries.
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

/**
 * The name of a new package, from its folder. npm accepts lower-case letters, digits and dashes. The name must differ from `waggle`, because no
 * package may depend on itself.
 */
export function packageNameOf(directory: string, waggle: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' || name === waggle ? 'my-swarm' : name.slice(0, maxNameLength)
}

const maxNameLength = 200

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
