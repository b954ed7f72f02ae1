import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Requirements } from './requirements.ts'

/** The commands that make a virtual environment, and that install packages into an environment. */
export interface PythonTools {
  readonly name: string
  make(python: string, place: string): readonly string[]
  /** `place`: the folder of the environment. A command may keep a file there. */
  install(python: string, requirements: Requirements, place: string): readonly (readonly string[])[]
}

/** Uses `uv` if one of the folders of `path` contains `uv`; otherwise Python's own venv and pip. */
export function pythonTools(path: string): PythonTools {
  const uv = path
    .split(delimiter)
    .map((folder) => join(folder, 'uv'))
    .find(isProgram)
  return uv === undefined ? venvAndPip : uvTools(uv)
}

const venvAndPip: PythonTools = {
  name: 'venv and pip',
  make: (python, place) => [python, '-m', 'venv', place],
  install(python, requirements, place) {
    const { file, kind } = requirements
    const pip = [python, '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off']
    const list = join(place, listName)
    if (kind === 'requirements') return [[...pip, '-r', file]]
    if (kind === 'locked') return [[...pip, ...exactly, '-r', list]]
    if (kind === 'checked') return [[...pip, ...listsOf(requirements.constraints, place)]]
    return [
      [python, '-c', dependenciesOfProject, file, list],
      [...pip, '-r', list],
    ]
  },
}

function uvTools(uv: string): PythonTools {
  return {
    name: 'uv',
    make: (python, place) => [uv, 'venv', '--quiet', '--no-project', '--python', python, place],
    install(python, requirements, place) {
      const { file, kind } = requirements
      const install = [uv, 'pip', 'install', '--python', python]
      if (kind === 'locked') return [[...install, ...exactly, '-r', join(place, listName)]]
      if (kind === 'checked') return [[...install, ...ownConfiguration(), ...listsOf(requirements.constraints, place)]]
      return [[...install, '-r', file]]
    },
  }
}

function listsOf(constraints: string, place: string): readonly string[] {
  return ['-r', join(place, listName), ...(constraints === '' ? [] : ['-c', join(place, constraintsName)])]
}

/** uv looks for an index in each `pyproject.toml` and `uv.toml` above its working folder, which authors of swarms may write. */
function ownConfiguration(): readonly string[] {
  return process.env.UV_CONFIG_FILE === undefined ? ['--no-config'] : []
}

/**
 * Makes an installer accept only files with the given hashes, and only wheels. A source distribution would run code, and would download tools without
 * a hash.
 */
const exactly = ['--require-hashes', '--only-binary', ':all:']
/** The name of the list of packages in an environment's folder. */
export const listName = 'requirements.txt'
/** The name of the list of constraints in an environment's folder. */
export const constraintsName = 'constraints.txt'

/** A script that reads the dependencies of a `pyproject.toml`. Python before 3.11 has no parser for TOML, but pip contains a parser. */
const dependenciesOfProject = `
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
try:
    with open(sys.argv[1], "rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    if not isinstance(dependencies, list) or not all(isinstance(line, str) for line in dependencies):
        sys.exit("dependencies of [project] is no list of texts")
except ValueError as error:
    sys.exit("it is no TOML: " + str(error))
except (KeyError, TypeError):
    sys.exit("it has no dependencies in a table [project]")
with open(sys.argv[2], "w") as file:
    file.writelines(line + "\\n" for line in dependencies)
`

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
