import { WaggleError } from '../../waggle-error.ts'

/**
 * The database and the name of a table. The database is null for the default database. Throws WAGGLE_TABLE_NAME for a text that cannot be a table's
 * name.
 */
export function tableNameOf(text: string): readonly [database: string | null, name: string] {
  const match = /^(?:([A-Za-z_][A-Za-z0-9_]*)\.)?([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)
  if (match?.[2] === undefined) {
    throw new WaggleError('WAGGLE_TABLE_NAME', {
      message: `"${text}" is not a valid name for a table`,
      next: 'Use letters, digits and "_", and write a database that is not the default database before a ".".',
    })
  }
  return [match[1] ?? null, match[2]]
}
