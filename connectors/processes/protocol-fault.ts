import { WaggleError } from '../../topology/waggle-error.ts'

/** The error for bytes from a bee's process that break the protocol. `what` completes the sentence "the bee wrote …". */
export function protocolError(bee: string, what: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_PROTOCOL', {
    message: `${bee} wrote ${what}`,
    next: 'Write nothing but protocol messages to standard output (bees/PROTOCOL.md); print to standard error.',
  })
}

export interface Fields {
  readonly [field: string]: unknown
}

/** Parses a JSON object. Throws WAGGLE_BEE_PROTOCOL for any other text. */
export function parsedObject(text: Buffer, bee: string): Fields {
  try {
    const value: unknown = JSON.parse(text.toString())
    if (value !== null && typeof value === 'object') return value as Fields
  } catch {
    // The error below quotes the text, so the parser's own error is not needed.
  }
  throw protocolError(bee, `no JSON object: ${clipped(text)}`)
}

export function clipped(text: Buffer): string {
  return JSON.stringify(text.subarray(0, 120).toString())
}

/** Shortens a text that a person will read. */
export function sentence(text: string): string {
  return text.length <= maxSentenceCharacters ? text : `${text.slice(0, maxSentenceCharacters)}…`
}

const maxSentenceCharacters = 4096
