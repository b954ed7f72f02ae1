import { withoutFolders } from './paths-in-text.ts'

/**
 * Makes a message fit for callers: removes stack lines, and shortens paths of this machine to file names. Messages of bees, libraries and the
 * operating system may contain both.
 */
export function callerText(text: string): string {
  const shown = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
  const lines = shown.split('\n').filter((line) => !stackLine.test(line))
  return lines.map(withoutFolders).join('\n')
}

/** A stack frame of V8, Python or Java, or the line that introduces such frames. */
const stackLine = /^\s*(at (async )?[^\s(].*(:\d+|\)|<anonymous>)|File ".*", line \d+.*|Traceback \(most recent call last\):|Caused by: .*)\s*$/

/** A longer text is cut, because the search for paths takes time and a stranger may have written the text. */
const maxCharacters = 8192
