import type { Session } from 'chdb'

/** Functions that reach beyond the engine's tables, by their names in lower case. */
export interface EngineFunctions {
  /** Functions in expressions. A name without an argument list counts as a call, as in `arrayMap(file, …)`. */
  readonly reaching: ReadonlySet<string>
  /** Table functions that are refused: all except a short list of harmless ones. A function that a new engine version adds is therefore refused. */
  readonly refusedTables: ReadonlySet<string>
}

export async function readEngineFunctions(session: Session): Promise<EngineFunctions> {
  const names = async (table: string) =>
    (await session.queryAsync(`SELECT lower(name) FROM system.${table}`, { format: 'TSVRaw' })).text().split('\n')
  return {
    reaching: new Set([...always, ...(await names('functions')).filter((name) => reaching.test(name))]),
    refusedTables: new Set((await names('table_functions')).filter((name) => name !== '' && !harmlessTables.has(name))),
  }
}

/**
 * Functions that read files, run models or call hosts. (`hasColumnInTable` accepts a host.) `reaching` adds the `ai…` functions, which call a
 * service.
 */
const always = ['file', 'catboostevaluate', 'hascolumnintable']
const reaching = /^(?:ai|catboost|file$)/

/**
 * Table functions that only produce numbers, nothing, or their own arguments. `format` is not in the list: it is harmless in an expression, but
 * `readonly` refuses it as a table function.
 */
const harmlessTables: ReadonlySet<string> = new Set([
  'numbers',
  'numbers_mt',
  'zeros',
  'zeros_mt',
  'generate_series',
  'generateseries',
  'generaterandom',
  'one',
  'primes',
  'null',
  'values',
  'sqlstandardvalues',
  'view',
  'format',
])
