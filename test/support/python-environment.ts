import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The path of a Python, or the reason why it is not available. */
export type FoundPython = { readonly python: string } | { readonly missing: string }

/**
 * A virtual environment with packages, made once in a cache of the user. `name` stands for the list of packages, so another list needs another name.
 * `installs` contains the arguments of `pip install`, one list for each call.
 */
export function pythonEnvironment(name: string, installs: readonly (readonly string[])[]): FoundPython {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const directory = join(cache, name)
  const python = join(directory, 'bin', 'python')
  if (existsSync(python)) return { python }
  mkdirSync(cache, { recursive: true })
  const fetched = mkdtempSync(join(cache, 'fetch-'))
  try {
    const own = join(fetched, 'bin', 'python')
    const steps: readonly (readonly [string, readonly string[]])[] = [
      ['python3', ['-m', 'venv', fetched]],
      ...installs.map((packages) => [own, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]] as const),
    ]
    for (const [command, args] of steps) {
      const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
      if (status !== 0) return { missing: `No Python environment ${name} can be made: ${error?.message ?? stderr.slice(-500)}` }
    }
    // Another process may have created the environment first. An environment finds its packages relative to its interpreter, so it may be moved.
    if (!existsSync(directory)) renameSync(fetched, directory)
    return { python }
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}

/** The Python interpreters of this machine with one of these `versions`, such as `3.9`. They are on PATH, or come from pyenv. */
export function installedPythons(versions: readonly string[]): ReadonlyMap<string, string> {
  const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  const folders = [
    ...(existsSync(pyenv) ? readdirSync(pyenv).map((version) => join(pyenv, version, 'bin')) : []),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  const found = new Map<string, string>()
  for (const version of versions) {
    const python = folders.map((folder) => join(folder, `python${version}`)).find((file) => existsSync(file) && runs(file))
    if (python !== undefined) found.set(version, python)
  }
  return found
}

function runs(python: string): boolean {
  return spawnSync(python, ['--version']).status === 0
}
