import { relative } from 'node:path'

/** A word for a POSIX shell. It is quoted if it contains special characters. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * A folder as the argument of `cd`. A name that begins with a dash gets the prefix `./`. Otherwise the name would be an option, and `cd -` would go
 * to the previous folder.
 */
export function folderWord(directory: string): string {
  const folder = relative('.', directory) || '.'
  return shellWord(folder.startsWith('-') ? `./${folder}` : folder)
}
