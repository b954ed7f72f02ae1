import { execFile } from 'node:child_process'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A Python on this machine. */
export interface Interpreter {
  readonly executable: string
  /** The version, such as `3.11.7`. */
  readonly version: string
}

/** Finds Python in the folders of PATH. Throws WAGGLE_NO_PYTHON if there is none, or if it is too old. */
export async function findInterpreter(program = 'python3'): Promise<Interpreter> {
  const said = await new Promise<string>((resolve) => {
    execFile(program, ['-c', probe], { timeout: probeMs }, (error, stdout) => resolve(error === null ? stdout : ''))
  })
  const [executable = '', version = ''] = said.trim().split('\n')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (executable === '')
    throw new WaggleError('WAGGLE_NO_PYTHON', {
      message: `There is no ${program} that runs in the folders of PATH`,
      next: `Install Python 3.${leastMinor} or newer, with its venv module.`,
    })
  if (major === 3 && minor >= leastMinor) return { executable, version }
  throw new WaggleError('WAGGLE_NO_PYTHON', {
    message: `${executable} is Python ${version}, which is too old`,
    next: `Install Python 3.${leastMinor} or newer, and put this Python first in PATH.`,
  })
}

const probe = 'import platform, sys; print(sys.executable); print(platform.python_version())'
const probeMs = 20_000
const leastMinor = 9
