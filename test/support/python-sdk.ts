import { resolve } from 'node:path'
import { type FoundPython, pythonEnvironment } from './python-environment.ts'

/** The folder of the Python SDK. */
export const sdk = resolve(import.meta.dirname, '..', '..', 'bees', 'python', 'sdk')

/** A Python with the packages that the SDK's tests need: numpy, pytest, mypy and the tools to build a package. */
export function sdkPython(): FoundPython {
  return pythonEnvironment('python-sdk-1', [['numpy>=2', 'pytest>=8', 'mypy>=1.13', 'setuptools>=77', 'build>=1.2']])
}

/** The environment of a Python that finds the SDK in its sources, and writes no files beside them. */
export const sdkEnvironment = { ...process.env, PYTHONPATH: resolve(sdk, 'src'), PYTHONDONTWRITEBYTECODE: '1' }
