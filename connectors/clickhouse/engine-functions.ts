import type { Session } from 'chdb'

/** Functions of the engine that reach beyond its tables, in lower case. */
export interface EngineFunctions {
  /** Functions of an expression: also a bare name is a use of one, as in `arrayMap(file, …)`. */
  readonly reaching: ReadonlySet<string>
  /** Functions in the place of a table: all but a few, so that a new engine's new ones are refused. */
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

/** They read files, run models, or call hosts: `hasColumnInTable` takes a host. The `ai…` functions call a service. */
const always = ['file', 'catboostevaluate', 'hascolumnintable']
const reaching = /^(?:ai|catboost|file$)/

/** Tables of numbers, of nothing, of their own arguments. `format` is a function of expressions too; as a table, `readonly` refuses it. */
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
