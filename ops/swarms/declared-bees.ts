import { dirname } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { PackageBeeDeclaration } from '../../bees/python/package-bee.ts'
import { inherited } from '../../connectors/processes/process-run.ts'
import { pythonVariables } from '../../connectors/python/python-variables.ts'
import { isFields } from '../../topology/fields.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { pythonSdk } from '../beekeeper/python-sdk-folder.ts'
import { moduleName } from '../config/bee-lock.ts'
import { jsonFields } from './json-fields.ts'
import { type ProgramReportOptions, reportOf } from './program-report.ts'

/** A bee type of an installed Python package. */
export interface DeclaredBee {
  readonly type: string
  /** The module that registers the bee. */
  readonly module: string
  readonly declaration: PackageBeeDeclaration
}

/**
 * The bee types of a Python package that is installed for `python`. A separate process imports the package. Throws WAGGLE_BEE_PACKAGE for a package
 * that cannot be imported, is not a bee, or declares a bee that cannot be used.
 */
export async function declaredBees(
  python: string,
  name: string,
  options: Omit<ProgramReportOptions, 'env' | 'cwd'>,
): Promise<readonly DeclaredBee[]> {
  // Python before 3.11 also imports modules from the working folder, so the working folder is a folder of the environment.
  const env = { ...inherited(), ...pythonVariables, PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: pythonSdk() }
  const { text, status, isLate } = await reportOf([python, '-m', 'waggle.package_bees', name], { ...options, env, cwd: dirname(python) })
  const said = jsonFields(text)
  if (typeof said.error === 'string') throw refused(said.error, nextStep(said.error))
  if (!Array.isArray(said.bees)) {
    const why = isLate
      ? `has not loaded within ${options.limitMs / 1000} s`
      : text !== '' && status === 0
        ? 'declares more than 64 KiB'
        : `ends its process while it loads (${status === null ? 'by a signal' : `status ${status}`})`
    throw refused(`${name} ${why}`, 'Do less while it loads: put work that takes time into the function.')
  }
  return said.bees.map((bee: unknown) => declared(name, bee))
}

function declared(name: string, bee: unknown): DeclaredBee {
  if (!isFields(bee) || typeof bee.type !== 'string' || typeof bee.module !== 'string') throw refused(`${name} declares a bee without a name`, again)
  const { type, module, summary, delivery, spec, examples, types } = bee
  if (!typeName.test(type))
    throw refused(`${name}: ${JSON.stringify(type)} cannot be a bee type`, 'Use lower-case letters, digits, dashes and underscores.')
  if (!moduleName.test(module)) throw refused(`${name}: ${JSON.stringify(module)} is not the name of a module`, again)
  if (typeof summary !== 'string' || typeof delivery !== 'string') throw refused(`${name}: summary and delivery of ${type} must be texts`, again)
  if (!isFields(spec) || spec.type !== 'object')
    throw refused(`${name}: spec of ${type} is not the JSON Schema of an object`, 'Begin it with {"type": "object"}.')
  if (!Array.isArray(examples) || !examples.every(isFields)) throw refused(`${name}: examples of ${type} is not a list of specs`, again)
  refuseMisfit(`${name}: `, type, spec, examples)
  return { type, module, declaration: { summary, delivery, spec, examples, ...(isFields(types) ? types : {}) } }
}

/** Throws for a schema that is not a JSON Schema, and for an example that does not match the schema. */
function refuseMisfit(place: string, type: string, spec: { readonly [key: string]: unknown }, examples: readonly unknown[]): void {
  const validator = new Ajv2020({ strict: false })
  let validate: ReturnType<typeof validator.compile>
  try {
    validate = validator.compile(spec)
  } catch (thrown) {
    throw refused(`${place}spec of ${type} is no JSON Schema: ${saidBy(thrown).split('\n', 1)[0]}`, again)
  }
  for (const example of examples)
    if (!validate(example))
      throw refused(
        `${place}the example ${JSON.stringify(example)} of ${type} does not fit its spec: ${validator.errorsText(validate.errors, { dataVar: 'spec' })}`,
        again,
      )
}

function nextStep(error: string): string {
  if (/lacks the keyword/.test(error)) return 'Name a package that is a bee, or add keywords = ["waggle-bee"] to its pyproject.toml if it is yours.'
  if (/no entry point/.test(error))
    return 'Add to its pyproject.toml: [project.entry-points."waggle.bees"], and below it words = "waggle_bee_words:words".'
  if (/ModuleNotFoundError/.test(error)) return 'Add the missing package to the dependencies in its pyproject.toml.'
  return again
}

const again = 'Correct the package, and add it again.'
const typeName = /^[a-z0-9][a-z0-9_-]{0,99}$/

function refused(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_PACKAGE', { message, next })
}
