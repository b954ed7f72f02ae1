import { type Header, headerText, textHeader } from '../../record.ts'

/** The note of one bee, from a header that contains the notes of several bees: `BEE=NOTE,BEE=NOTE`. Null if the bee has no note. */
export function noteOf(headers: readonly Header[], header: string, bee: string): string | null {
  return notesOf(headers, header).get(bee) ?? null
}

/** The headers with another note of a bee. The note null removes the bee's note. */
export function withNote(headers: readonly Header[], header: string, bee: string, note: string | null): readonly Header[] {
  const notes = new Map(notesOf(headers, header))
  if (note === null) notes.delete(bee)
  else notes.set(bee, note)
  const others = headers.filter(({ key }) => key !== header)
  return notes.size === 0 ? others : [...others, textHeader(header, [...notes].map(([name, text]) => `${name}=${text}`).join(','))]
}

function notesOf(headers: readonly Header[], header: string): ReadonlyMap<string, string> {
  const text = headerText(headers, header) ?? ''
  return new Map(
    text.split(',').flatMap((entry) => {
      const at = entry.indexOf('=')
      return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)] as const] : []
    }),
  )
}
