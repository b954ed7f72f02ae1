import { readdirSync } from 'node:fs'

/**
 * Makes a text fit for a caller: without stack lines, and with names of files instead of paths of this machine. Messages of bees, libraries and the
 * operating system contain both.
 */
export function callerText(text: string): string {
  const lines = text.split('\n').filter((line) => !stackLine.test(line))
  return lines
    .join('\n')
    .replaceAll(pathPattern(), (path) => `…/${lastName(path)}`)
    .replaceAll(relativePath, (words) => (isPath(words) ? `…/${lastName(words)}` : words))
}

/** Words with slashes between them. */
const relativePath = /(?<![\w.:/…@-])[\w.@-]+(?:\/[\w.@-]+)+/g

/**
 * True for words that look like a path: they begin at a folder above, or their last word has a file's ending. The file system is not asked, because an answer
 * that depends on it would tell a caller which files exist.
 */
function isPath(words: string): boolean {
  return /^\.\.?\//.test(words) || words.includes('/../') || (/\.[A-Za-z0-9]{1,5}$/.test(words) && !mediaType.test(words))
}

const mediaType = /^(application|audio|font|image|message|multipart|text|video)\/[^/]+$/

/** A stack frame of V8, Python or Java, or the line that introduces such frames. */
const stackLine = /^\s*(at (async )?[^\s(].*(:\d+|\)|<anonymous>)|File ".*", line \d+.*|Traceback \(most recent call last\):|Caused by: .*)\s*$/

function lastName(path: string): string {
  return (
    path
      .split(/[/\\]/)
      .filter((name) => name !== '')
      .at(-1) ?? ''
  )
}

/** An error must reach its caller even where the root cannot be listed. */
function rootFolders(): readonly string[] {
  try {
    return readdirSync('/')
  } catch {
    return ['app', 'data', 'etc', 'home', 'mnt', 'opt', 'private', 'root', 'srv', 'tmp', 'usr', 'Users', 'var', 'workspace']
  }
}

let pattern: RegExp | null = null

/**
 * Absolute paths, also as URLs. Only folders at this machine's root begin one: `/v1/requests` is a route, and a type such as `image/jpeg` or the path of a URL with
 * a host has a word in front of its slash.
 */
function pathPattern(): RegExp {
  if (pattern !== null) return pattern
  const roots = rootFolders().map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  const name = `[^\\s'"\`<>|:;,()/\\\\]*`
  pattern = new RegExp(
    `(?:file:\\/\\/\\/|(?<![\\w.:/…-])\\/)(?:${roots.join('|')})(?=$|[\\s'"\`<>|:;,()/])(?:\\/${name})*|\\b[A-Za-z]:\\\\${name}(?:\\\\${name})*`,
    'g',
  )
  return pattern
}
