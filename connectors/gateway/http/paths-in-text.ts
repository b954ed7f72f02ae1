import { readdirSync } from 'node:fs'

/**
 * A line of text with file names instead of paths of this machine: `…/a.ts` for `/home/me/a.ts`. Paths are absolute paths, Windows paths, paths in
 * URLs, and relative paths that begin with a dot or end like a file name. A path in quotes ends at the quote. Without quotes, a folder's name may
 * contain spaces if a slash follows the name. The function does not check whether a file exists, because the result would tell callers about this
 * machine.
 */
export function withoutFolders(line: string): string {
  let shown = ''
  let done = 0
  for (let at = 0; at < line.length; ) {
    const found = urlAt(line, at) ?? pathAt(line, at)
    if (found === null) {
      at++
      continue
    }
    if (found.isPath) {
      shown += `${line.slice(done, at)}…/${lastName(line.slice(at, found.end))}`
      done = found.end
    }
    at = Math.max(found.end, at + 1)
  }
  return shown + line.slice(done)
}

interface Found {
  /** The offset after the last character of the match. */
  readonly end: number
  /** False for words with slashes that are not a path. Such words stay in the text. */
  readonly isPath: boolean
}

/** Finds a URL with a host at this offset. Such a URL stays in the text. */
function urlAt(line: string, at: number): Found | null {
  if (!isLetter(line.charCodeAt(at)) || isNamePart(line[at - 1])) return null
  const [scheme = ''] = matchAt(/[a-z][a-z0-9+.-]{1,30}:\/\/(?=[^/\s'"`<>])/iy, line, at) ?? []
  if (scheme === '' || scheme.toLowerCase() === 'file://') return null
  return { end: at + scheme.length + (matchAt(/[^\s'"`<>]*/y, line, at + scheme.length)?.[0].length ?? 0), isPath: false }
}

function pathAt(line: string, at: number): Found | null {
  const before = line[at - 1]
  // An apostrophe within a word opens no quote.
  const quote = before === undefined || isNamePart(line[at - 2]) ? null : (quotes.get(before) ?? null)
  const inQuotes = quote === null ? -1 : line.slice(at, at + maxQuoted).indexOf(quote)
  const closing = inQuotes < 0 ? -1 : at + inQuotes
  const found = (isSure: boolean, extent: () => number): Found => {
    const end = closing > at ? closing : extent()
    return { end, isPath: isSure || looksLikeFile(line.slice(at, end)) }
  }
  if (line.startsWith('file:/', at)) return found(true, () => pathEnd(line, at + 'file:'.length))
  if (isNamePart(before) || before === '…') return null
  const [windows = ''] = matchAt(/[A-Za-z]:[\\/](?!\/)|\\\\(?=\w)/y, line, at) ?? []
  if (windows !== '') return found(true, () => windowsEnd(line, at + windows.length))
  const [dots = ''] = matchAt(/\.\.?[\\/]|~\//y, line, at) ?? []
  if (dots !== '') return found(true, () => pathEnd(line, at))
  if (line[at] === '/' && before !== '/') return found(beginsAtRoot(line, at), () => pathEnd(line, at))
  return relativeAt(line, at, closing)
}

/** Finds words with slashes between them at this offset. The words count as a path only if they look like a file. */
function relativeAt(line: string, at: number, closing: number): Found | null {
  const [words] = matchAt(/[\p{L}\p{N}_.@-]+(?:\/[\p{L}\p{N}_.@+-]+)+\/?/uy, line, at) ?? []
  const end = at + (words?.length ?? 0)
  if (closing > at && closing - at <= maxRelative && looksLikeFile(line.slice(at, closing))) return { end: closing, isPath: true }
  if (words === undefined) return null
  if (looksLikeFile(words)) return { end, isPath: true }
  if (mediaType.test(words) || words === 'and/or') return { end, isPath: false }
  const far = pathEnd(line, at, maxSpacedRelative)
  return far > end && looksLikeFile(line.slice(at, far)) ? { end: far, isPath: true } : { end, isPath: false }
}

/** True for words with a slash that begin with `./` or `../`, that contain `/../`, or whose last word has a file's ending. */
function looksLikeFile(words: string): boolean {
  if (!/[\\/]/.test(words) || mediaType.test(words) || /^\/(v\d+|openapi\.json|metrics)(\/|$)/.test(words)) return false
  if (/^\.\.?[\\/]/.test(words) || words.includes('/../')) return true
  // A text such as `/robots.txt` may be a route. It contains no folder, so it reveals nothing about this machine.
  return /\.[A-Za-z0-9]{1,8}(:\d+){0,2}$/.test(words) && (words[0] !== '/' || words.indexOf('/', 1) > 0)
}

const mediaType = /^(application|audio|font|image|message|model|multipart|text|video)\/[^/\s]+$/i

/** The end of a path without quotes that begins at or before `at`. At most `maxSpaced` of its folders may have spaces. */
function pathEnd(line: string, at: number, maxSpaced = Number.POSITIVE_INFINITY): number {
  let end = at
  for (let spaced = 0; ; ) {
    end += matchAt(/[^\s'"`<>|:;,()\\/]*/y, line, end)?.[0].length ?? 0
    if (line[end] === '/' || line[end] === '\\') {
      end++
      continue
    }
    const slash = spaced++ < maxSpaced ? nextSlash(line, end) : -1
    if (slash < 0) return end
    end = slash
  }
}

/**
 * The slash that ends a folder's name with spaces or parentheses; -1 if the words are not part of a name. `at` is the offset of the rest of the name.
 */
function nextSlash(line: string, at: number): number {
  const [rest = ''] = matchAt(/[^\n'"`<>|\\/]{0,120}(?=[\\/])/y, line, at) ?? []
  const slash = at + rest.length
  if (rest === '' || /[:;,]\s|[\s(=:;,[{]$|^[:;,]/.test(rest) || /\s/.test(line[slash + 1] ?? ' ')) return -1
  const words = rest.trim().split(/\s+/)
  return words.length > maxWords || mediaWords.has(words.at(-1) ?? '') ? -1 : slash
}

/**
 * The end of a Windows path. Its names may contain spaces and parentheses, so everything up to the last backslash counts as folders. A quote or
 * another path ends the search.
 */
function windowsEnd(line: string, at: number): number {
  const [folders = ''] = matchAt(/(?:(?![A-Za-z]:[\\/])[^'"`<>|\n\\/]{0,255}[\\/])*/y, line, at) ?? []
  const end = at + folders.length
  return end + (matchAt(/[^\s'"`<>|:;,()\\/]*/y, line, end)?.[0].length ?? 0)
}

/** True if a path that begins with a folder of this machine's root begins here. `/v1/requests` is a route, not such a path. */
function beginsAtRoot(line: string, at: number): boolean {
  const [, name = ''] = matchAt(/\/+([^\s'"`<>|:;,()\\/]*)/y, line, at) ?? []
  roots ??= rootFolders()
  return roots.names.has(name) || roots.odd.some((odd) => line.startsWith(odd, at + 1) && /^$|[\s/'":;,)]/.test(line[at + 1 + odd.length] ?? ''))
}

let roots: { readonly names: ReadonlySet<string>; readonly odd: readonly string[] } | null = null

/**
 * The names of folders at the root of this machine, of other machines and of containers. If the root cannot be listed, only the usual names are used,
 * so that the error still reaches its caller.
 */
function rootFolders(): NonNullable<typeof roots> {
  const names = new Set(usualRoots)
  try {
    for (const name of readdirSync('/')) names.add(name)
  } catch {
    // Only the usual folders are used.
  }
  return { names, odd: [...names].filter((name) => /[\s'"`<>|:;,()]/.test(name)) }
}

const usualRoots =
  'app Applications bin boot data dev etc home lib lib64 Library media mnt nix opt private proc root run sbin srv sys System tmp Users usr var Volumes work workspace'.split(
    ' ',
  )

function lastName(path: string): string {
  return (
    path
      .split(/[/\\]/)
      .filter((name) => name !== '' && name !== '.' && name !== '..')
      .at(-1) ?? ''
  )
}

function matchAt(pattern: RegExp, line: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(line)
}

function isLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
}

/** True for a character that a name can contain. No path begins directly after such a character. */
function isNamePart(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_.@/\\-]/u.test(character)
}

const quotes = new Map([
  ["'", "'"],
  ['"', '"'],
  ['`', '`'],
  ['‘', '’'],
  ['“', '”'],
])
const mediaWords = new Set(['and', 'application', 'audio', 'font', 'image', 'message', 'model', 'multipart', 'text', 'video'])
const maxWords = 6
/**
 * The most characters of a path in quotes. No operating system accepts a longer path. Without the limit, an unclosed quote would be searched to the
 * end of the line.
 */
const maxQuoted = 4096
/** The most characters of a relative path in quotes, and the most folders with spaces in a relative path without quotes. */
const maxRelative = 1000
const maxSpacedRelative = 2
