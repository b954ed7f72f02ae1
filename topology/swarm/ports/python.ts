import type { OpenProcess, ProcessOptions } from './processes.ts'

/** Runs bees that are written in Python, in processes of their own. */
export interface PythonBees {
  /**
   * Makes the environment of the bee's requirements if there is none yet, and starts its processes. Resolves when all of them have said hello. Throws
   * WAGGLE_NO_PYTHON, WAGGLE_PYTHON_ENVIRONMENT, or WAGGLE_BEE_NOT_STARTED with the place in the user's file.
   */
  open(options: PythonOptions): Promise<OpenProcess>
}

export interface PythonOptions extends Pick<ProcessOptions, 'swarm' | 'bee' | 'env' | 'log'> {
  /** The path of the Python file or notebook. */
  readonly file: string
  /** The name that the file gives the bee. */
  readonly name: string
  /** The path of the requirements, a `requirements.txt` or `pyproject.toml`; null for those beside the file, if there are any. */
  readonly requirements: string | null
  readonly workers: number
}
