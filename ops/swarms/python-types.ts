import { delimiter, dirname, join, relative } from 'node:path'
import { inherited } from '../../connectors/processes/process-run.ts'
import type { Interpreter } from '../../connectors/python/interpreter.ts'
import { pythonVariables } from '../../connectors/python/python-variables.ts'
import { isFields } from '../../topology/fields.ts'
import type { PythonTypes } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { pythonSdk } from '../beekeeper/python-sdk-folder.ts'
import { jsonFields } from './json-fields.ts'
import { type ProgramReportOptions, reportOf } from './program-report.ts'

export interface PythonFile {
  readonly file: string
  readonly name: string
  readonly env: { readonly [name: string]: string }
}

/**
 * The types of a bee, from its annotations. A separate process imports the file without calling a function of the file. Throws WAGGLE_INVALID_MODULE,
 * with the place, for a file that raises an error, ends its process, or takes too long.
 */
export async function pythonTypes(
  { executable }: Interpreter,
  { file, name, env }: PythonFile,
  options: Omit<ProgramReportOptions, 'env' | 'cwd'>,
): Promise<PythonTypes> {
  const own = { ...inherited(), ...pythonVariables, PYTHONDONTWRITEBYTECODE: '1', ...env }
  const path = [pythonSdk(), ...(env.PYTHONPATH === undefined ? [] : [env.PYTHONPATH])].join(delimiter)
  const report = await reportOf([executable, '-m', 'waggle.checker', file, name], {
    ...options,
    env: { ...own, PYTHONPATH: path },
    cwd: dirname(file),
  })
  const verdict = verdictOf(report.text)
  if (verdict !== null && 'types' in verdict) return verdict.types
  if (verdict !== null && 'missing' in verdict) return { missing: verdict.missing }
  if (verdict !== null) throw invalid({ message: verdict.message, place: placeOf(file, verdict.place), next: 'Correct the file.' })
  const why = report.isLate
    ? `has not loaded within ${options.limitMs / 1000} s`
    : `ends its process while it loads (${report.status === null ? 'by a signal' : `status ${report.status}`})`
  throw invalid({ message: `${shown(file)} ${why}`, place: shown(file), next: 'Do less while it loads: put work that takes time into the function.' })
}

type Verdict = { readonly types: PythonTypes } | { readonly missing: string } | { readonly message: string; readonly place: string | null }

/** The message of the checker; null for any other text, because the user's file may also have written to the descriptor. */
function verdictOf(text: string): Verdict | null {
  const said = jsonFields(text)
  if (typeof said.missing === 'string') return { missing: said.missing }
  if (isFields(said.types)) return { types: { ...typed('input', said.types.input), ...typed('output', said.types.output) } }
  if (!isFields(said.error) || typeof said.error.message !== 'string') return null
  const { message, place } = said.error
  return { message, place: typeof place === 'string' ? place : null }
}

function typed(name: 'input' | 'output', schema: unknown): PythonTypes {
  return isFields(schema) ? { [name]: schema } : {}
}

/** Rewrites a place from the checker, relative to the bee's folder, as a place in the swarm's terms. */
function placeOf(file: string, place: string | null): string {
  return place === null ? shown(file) : shown(join(dirname(file), place))
}

function shown(path: string): string {
  const near = relative('', path)
  return near.startsWith('..') ? path : near
}

function invalid(options: { readonly message: string; readonly place: string; readonly next: string }): WaggleError {
  return new WaggleError('WAGGLE_INVALID_MODULE', options)
}
