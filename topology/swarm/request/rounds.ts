import { type Header, headerText } from '../../record.ts'
import { noteOf, withNote } from './bee-notes.ts'
import { roundsHeader } from './headers.ts'

/** The round of a request in a loop; null outside of the loop. */
export function roundIn(headers: readonly Header[], loop: string): number | null {
  const round = Number(noteOf(headers, roundsHeader, loop) ?? Number.NaN)
  return Number.isSafeInteger(round) && round >= 0 ? round : null
}

/** The headers with another round of a loop. With null, the request leaves the loop. */
export function withRound(headers: readonly Header[], loop: string, round: number | null): readonly Header[] {
  return withNote(headers, roundsHeader, loop, round === null ? null : String(round))
}

/** A text for the rounds of all loops around a record; empty outside of loops. A join uses it to keep the rounds of a request apart. */
export function roundsText(headers: readonly Header[]): string {
  return headerText(headers, roundsHeader) ?? ''
}

/** The identity of one call of a bee. Outside of loops a request makes one call of each bee. In a loop it makes one call in each round. */
export function callIdOf(id: string, headers: readonly Header[]): string {
  const rounds = roundsText(headers)
  return rounds === '' ? id : `${id};${rounds}`
}
