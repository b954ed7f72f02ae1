/**
 * A text as a terminal may show it. Control characters and those that turn the direction of writing are shown as `\u{…}`: a caller's text may be in a
 * message, and must not move the cursor, hide a line or set the window's title. Line breaks and tabs stay.
 */
export function terminalText(text: string): string {
  return text.replaceAll(dangerous, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${character.charCodeAt(0).toString(16)}}`,
  )
}

const dangerous = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu
