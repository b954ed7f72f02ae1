/**
 * A text that is safe on a terminal. Control characters, and characters that change the direction of writing, become `\u{…}`. A message may contain a
 * caller's text, which must not move the cursor, hide a line or set the window's title. Line breaks and tabs stay.
 */
export function terminalText(text: string): string {
  return text.replaceAll(dangerous, (character) =>
    character === '\n' || character === '\t' ? character : `\\u{${character.charCodeAt(0).toString(16)}}`,
  )
}

const dangerous = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu
