import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** A program and its environment variables, or the reason why it is not available. */
export type DebianProgram = { readonly program: string; readonly env: { readonly [variable: string]: string } } | { readonly missing: string }

export interface DebianProgramOptions {
  /** The name of the package. Default: the name of the program. */
  readonly package?: string
  /** True if root starts the program as another user, who may not enter root's home. */
  readonly asOtherUser?: boolean
}

/**
 * Finds the program `name`: this machine's own, or else the program of a Debian package. The package and its missing libraries are unpacked once into
 * a cache of the user. Nothing is installed, and no service starts.
 */
export function programOfDebian(name: string, options: DebianProgramOptions = {}): DebianProgram {
  const packageName = options.package ?? name
  const own = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' })
  if (own.status === 0) return { program: own.stdout.trim(), env: {} }
  for (const tool of ['apt-get', 'dpkg-deb'])
    if (spawnSync(tool, ['--version']).status !== 0) return { missing: `${name} is not on this machine, and neither is ${tool}` }
  const cache = cacheFor(options)
  const directory = join(cache, `debian-${packageName}`)
  const failure = existsSync(directory) ? null : unpack(packageName, { cache, directory })
  if (failure !== null) return { missing: `${name} is not on this machine, and Debian’s package of it cannot be had: ${failure}` }
  const folders = [
    'bin',
    'usr/bin',
    'usr/sbin',
    ...subfolders(join(directory, 'usr/lib/postgresql')).map((version) => relative(directory, join(version, 'bin'))),
  ]
  const program = folders.map((folder) => join(directory, folder, name)).find((path) => existsSync(path))
  if (program === undefined) return { missing: `Debian’s package ${packageName} has no program ${name}` }
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => [join(directory, folder), ...subfolders(join(directory, folder))])
  return { program, env: { LD_LIBRARY_PATH: libraries.join(':') } }
}

/** The folder of the unpacked packages. Every user can enter it if the program runs as another user. */
function cacheFor({ asOtherUser = false }: DebianProgramOptions): string {
  const own = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  return asOtherUser && process.getuid?.() === 0 && !mayBeEntered(own) ? '/var/cache/waggle' : own
}

/** True if every user may enter the folder. A folder that does not exist yet counts as open. */
function mayBeEntered(folder: string): boolean {
  const mode = statSync(folder, { throwIfNoEntry: false })?.mode ?? 0o001
  return (mode & 0o001) !== 0 && (dirname(folder) === folder || mayBeEntered(dirname(folder)))
}

/** Unpacks a package and its missing libraries into `directory`. Returns the reason for a failure. */
function unpack(name: string, { cache, directory }: { readonly cache: string; readonly directory: string }): string | null {
  mkdirSync(cache, { recursive: true })
  const fetched = mkdtempSync(join(cache, 'fetch-'))
  try {
    // The package lists of the user, because only root may fetch the lists of the machine.
    const own = process.getuid?.() === 0 ? [] : listsIn(join(cache, 'apt'))
    const found = packagesFor(name, []) ?? (spawnSync('apt-get', [...own, 'update']).status === 0 ? packagesFor(name, own) : null)
    if (found === null) return 'no package has this name, or the lists of packages cannot be fetched'
    const downloaded = spawnSync('apt-get', [...found.options, 'download', ...found.packages], { cwd: fetched, encoding: 'utf8' })
    if (downloaded.status !== 0) return downloaded.stderr.slice(-500)
    const unpacked = join(fetched, 'unpacked')
    for (const file of readdirSync(fetched).filter((one) => one.endsWith('.deb'))) {
      const { status, stderr } = spawnSync('dpkg-deb', ['-x', file, unpacked], { cwd: fetched, encoding: 'utf8' })
      if (status !== 0) return stderr.slice(-500)
    }
    // Another process may have created the folder first.
    if (!existsSync(directory)) renameSync(unpacked, directory)
    return null
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}

/** Options of apt-get for package lists in this folder. The list of installed packages still comes from the machine. */
function listsIn(folder: string): readonly string[] {
  for (const name of ['state/lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, name), { recursive: true })
  return ['-o', `Dir::State=${folder}/state`, '-o', `Dir::Cache=${folder}/cache`, '-o', 'Dir::State::status=/var/lib/dpkg/status']
}

/** The package and its missing dependencies; null if the package does not exist. */
function packagesFor(name: string, options: readonly string[]): { readonly packages: readonly string[]; readonly options: readonly string[] } | null {
  const { status, stdout } = spawnSync('apt-get', [...options, 'install', '--yes', '--no-install-recommends', '--print-uris', name], {
    encoding: 'utf8',
  })
  const packages = [...stdout.matchAll(/^'[^']+' ([^ _]+)_/gm)].map(([, one = '']) => one)
  return status === 0 && packages.length > 0 ? { packages, options } : null
}

function subfolders(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
}
