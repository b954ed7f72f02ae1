import { existsSync, readdirSync } from 'node:fs'

/**
 * Makes a text fit for a caller: without stack lines, and with names of files instead of paths of this machine. Messages of bees, libraries and the
 * operating system contain both.
 */
export function callerText(text: string): string {
  const lines = text.split('\n').filter((line) => !stackLine.test(line))
  let checks = 0
  return lines
    .join('\n')
    .replaceAll(pathPattern(), (path) => `…/${lastName(path)}`)
    .replaceAll(relativePath, (path) => (++checks <= maxChecks && existsSync(path) ? `…/${lastName(path)}` : path))
}

/** Words with slashes between them. They are a path where such a file exists. */
const relativePath = /(?<![\w.:/…@-])[\w.@-]+(?:\/[\w.@-]+)+/g
const maxChecks = 20

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
