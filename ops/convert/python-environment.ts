import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface PythonEnvironmentOptions {
  /** Requirements for pip, such as `skl2onnx==1.20.0`. */
  readonly packages: readonly string[]
  /** The folder with all environments. Default: a folder in the user's cache. */
  readonly directory?: string
  /** The Python that makes the environment. Default: `python3`. */
  readonly python?: string
  readonly say: (line: string) => void
}

/**
 * The path of Python in an environment with these packages. The environment is made once, and kept for later calls with the same packages. Throws
 * WAGGLE_MODEL_CONVERSION if this machine has no Python with venv and pip, or if a package cannot be installed.
 */
export async function pythonEnvironment({
  packages,
  directory = usualDirectory(),
  python = 'python3',
  say,
}: PythonEnvironmentOptions): Promise<string> {
  const name = createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 16)
  const place = join(directory, `convert-${name}`)
  const own = join(place, 'bin', 'python')
  if (existsSync(own)) return own
  say(`making a Python environment with ${packages.join(', ')} in ${place}, once`)
  // The environment gets its final name when it is complete, so that an interrupted run never looks complete.
  const making = `${place}.${process.pid}`
  await rm(making, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  try {
    await ended(python, ['-m', 'venv', making], 'Install python3 with its venv module.')
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    await ended(join(making, 'bin', 'python'), pip, 'See that pip reaches its index, and that this Python is one that the packages support.')
    await rename(making, place).catch((thrown: unknown) => {
      if (!existsSync(own)) throw thrown
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return own
}

/** Runs a program and returns its standard output. If the program fails, throws WAGGLE_MODEL_CONVERSION with the last lines of its standard error. */
export async function ended(program: string, argv: readonly string[], next: string): Promise<string> {
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out = (out + text).slice(-maxText)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err = (err + text).slice(-maxText)
  })
  const status = await new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('close', (code, signal) => resolve(code === 0 ? '' : `it ended with ${signal ?? code}`))
  })
  if (status === '') return out
  const said = err.trim().split('\n').slice(-maxLines).join('\n')
  throw new WaggleError('WAGGLE_MODEL_CONVERSION', { message: `${program} failed: ${said === '' ? status : said}`, next })
}

function usualDirectory(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
}

const maxText = 1024 * 1024
const maxLines = 5
