/** `word`: a keyword or a name without quotes. `name`: the content of a quoted name. */
export interface StatementToken {
  readonly kind: 'word' | 'name' | 'text' | 'number' | 'operator'
  readonly text: string
}

/**
 * Splits a statement that ClickHouse's formatter wrote into tokens. Null for a statement with a comment, a heredoc, a letter beyond ASCII outside
 * quotes, or an open quote. The formatter writes none of these, and the engine might read them differently.
 */
export function statementTokens(sql: string): readonly StatementToken[] | null {
  const tokens: StatementToken[] = []
  let at = 0
  while (at < sql.length) {
    const start = sql[at] ?? ''
    if (start === ' ') {
      at++
      continue
    }
    if (start === "'" || start === '`' || start === '"') {
      const end = endOfQuoted(sql, at)
      if (end === null) return null
      tokens.push({ kind: start === "'" ? 'text' : 'name', text: unescaped(sql.slice(at + 1, end - 1), start) })
      at = end
      continue
    }
    if (sql.startsWith('--', at) || sql.startsWith('/*', at) || sql.startsWith('*/', at)) return null
    bare.lastIndex = at
    const found = bare.exec(sql)
    if (found === null) return null
    const [text, word, number] = found
    tokens.push({ kind: word !== undefined ? 'word' : number !== undefined ? 'number' : 'operator', text })
    at += text.length
  }
  return tokens
}

/** The index after the closing quote; null if there is no closing quote. A backslash escapes the next character. A doubled quote is a quote. */
function endOfQuoted(sql: string, start: number): number | null {
  const quote = sql[start]
  for (let at = start + 1; at < sql.length; at++) {
    if (sql[at] === '\\') at++
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1
      at++
    }
  }
  return null
}

function unescaped(inside: string, quote: string): string {
  return inside.replace(escaped, (all: string, hex: string | undefined, letter: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (letter !== undefined) return letters.get(letter) ?? letter
    return all === quote + quote ? quote : all
  })
}

/** A number ends before a letter. A name directly after a number becomes a separate token, so the name is checked. */
const bare = /([A-Za-z_][A-Za-z0-9_]*)|(\d+)|[()[\]{},.:+\-*/%=<>!?@|&^~]/y
const escaped = /\\x([0-9A-Fa-f]{2})|\\(.)|''|``|""/gs
const letters: ReadonlyMap<string, string> = new Map([
  ['0', '\0'],
  ['a', '\x07'],
  ['b', '\b'],
  ['e', '\x1b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
])
