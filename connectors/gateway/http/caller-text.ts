import { readdirSync } from 'node:fs'

/**
 * Makes a message fit for callers: removes stack lines, and shortens paths of this machine to file names. Messages of bees, libraries and the
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
 * True for words that look like a path: they begin with a parent folder, or end with a file extension. Whether the file exists is not checked,
 * because the answer would tell callers about this machine.
 */
function isPath(words: string): boolean {
  return /^\.\.?\//.test(words) || words.includes('/../') || (/\.[A-Za-z0-9]{1,5}$/.test(words) && !mediaType.test(words))
}

const mediaType = /^(application|audio|font|image|message|multipart|text|video)\/[^/]+$/

/** A stack frame of V8, Python or Java, or the line that introduces frames. */
const stackLine = /^\s*(at (async )?[^\s(].*(:\d+|\)|<anonymous>)|File ".*", line \d+.*|Traceback \(most recent call last\):|Caused by: .*)\s*$/

function lastName(path: string): string {
  return (
    path
      .split(/[/\\]/)
      .filter((name) => name !== '')
      .at(-1) ?? ''
  )
}

/** The folders at the root of this machine. An error must reach its caller even if they cannot be listed. */
function rootFolders(): readonly string[] {
  try {
    return readdirSync('/')
  } catch {
    return ['app', 'data', 'etc', 'home', 'mnt', 'opt', 'private', 'root', 'srv', 'tmp', 'usr', 'Users', 'var', 'workspace']
  }
}

let pattern: RegExp | null = null

/**
 * Absolute paths, also in URLs. A path begins with a folder at this machine's root. So a route (`/v1/requests`), a type (`image/jpeg`) and the path
 * of an HTTP URL do not match.
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
