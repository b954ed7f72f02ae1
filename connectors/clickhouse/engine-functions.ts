import type { Session } from 'chdb'

/** Names, in lower case, of functions that reach beyond the engine's tables. */
export interface EngineFunctions {
  /** Functions in expressions. A bare name counts as a use too, as in `arrayMap(file, …)`. */
  readonly reaching: ReadonlySet<string>
  /** Table functions: all except a few known harmless ones, so that those of a new engine version are refused. */
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

/** Functions that read files, run models or call hosts (`hasColumnInTable` takes a host). `reaching` adds the `ai…` functions, which call a service. */
const always = ['file', 'catboostevaluate', 'hascolumnintable']
const reaching = /^(?:ai|catboost|file$)/

/** Tables of numbers, of nothing, or of their own arguments. `format` is also a function of expressions; as a table it is refused by `readonly`. */
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
