import { type Header, headerText, textHeader } from '../record.ts'
import { roundsHeader } from './headers.ts'

/** The round of a request in a loop; null outside of it. */
export function roundIn(headers: readonly Header[], loop: string): number | null {
  return roundsOf(headers).get(loop) ?? null
}

/** The headers with another round of a loop; null: the request leaves the loop. */
export function withRound(headers: readonly Header[], loop: string, round: number | null): readonly Header[] {
  const rounds = new Map(roundsOf(headers))
  if (round === null) rounds.delete(loop)
  else rounds.set(loop, round)
  const others = headers.filter(({ key }) => key !== roundsHeader)
  return rounds.size === 0 ? others : [...others, textHeader(roundsHeader, [...rounds].map(([name, at]) => `${name}=${at}`).join(','))]
}

/** A text for the rounds of all loops around a record; empty outside of loops. A join keeps each round apart by it. */
export function roundsText(headers: readonly Header[]): string {
  return headerText(headers, roundsHeader) ?? ''
}

function roundsOf(headers: readonly Header[]): ReadonlyMap<string, number> {
  const text = roundsText(headers)
  if (text === '') return new Map()
  return new Map(
    text.split(',').flatMap((entry) => {
      const at = entry.indexOf('=')
      const round = Number(entry.slice(at + 1))
      return at > 0 && Number.isSafeInteger(round) && round >= 0 ? [[entry.slice(0, at), round] as const] : []
    }),
  )
}
