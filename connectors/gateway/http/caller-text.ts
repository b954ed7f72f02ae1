import { existsSync, readdirSync } from 'node:fs'

/**
 * A text as a caller may read it: without lines of a stack, and with the name of a file in the place of its path on this machine. Messages of bees, libraries and
 * the operating system hold both.
 */
export function callerText(text: string): string {
  const lines = text.split('\n').filter((line) => !stackLine.test(line))
  let checks = 0
  return lines
    .join('\n')
    .replaceAll(pathPattern(), (path) => `…/${lastName(path)}`)
    .replaceAll(relativePath, (path) => (++checks <= maxChecks && existsSync(path) ? `…/${lastName(path)}` : path))
}

/** Words with slashes between them. One is a path where such a file is there. */
const relativePath = /(?<![\w.:/…@-])[\w.@-]+(?:\/[\w.@-]+)+/g
const maxChecks = 20

/** A frame as V8, Python or Java writes it, or the line that introduces such frames. */
const stackLine = /^\s*(at (async )?[^\s(].*(:\d+|\)|<anonymous>)|File ".*", line \d+.*|Traceback \(most recent call last\):|Caused by: .*)\s*$/

function lastName(path: string): string {
  return (
    path
      .split(/[/\\]/)
      .filter((name) => name !== '')
      .at(-1) ?? ''
  )
}

let pattern: RegExp | null = null

/**
 * Absolute paths, also as URLs. Only folders at this machine's root begin one: `/v1/requests` is a route, and a type such as `image/jpeg` or the path of a URL with
 * a host has a word in front of its slash.
 */
function pathPattern(): RegExp {
  if (pattern !== null) return pattern
  const roots = readdirSync('/').map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  const name = `[^\\s'"\`<>|:;,()/\\\\]*`
  pattern = new RegExp(
    `(?:file:\\/\\/\\/|(?<![\\w.:/…-])\\/)(?:${roots.join('|')})(?=$|[\\s'"\`<>|:;,()/])(?:\\/${name})*|\\b[A-Za-z]:\\\\${name}(?:\\\\${name})*`,
    'g',
  )
  return pattern
}
