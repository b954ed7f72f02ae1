import { WaggleError } from '../../topology/waggle-error.ts'

/** The place of a dead letter in its swarm's topic. */
export interface LetterPlace {
  readonly swarm: string
  readonly partition: number
  readonly offset: number
}

/** A letter that is not settled: it was neither retried nor discarded. */
export interface OpenLetter extends LetterPlace {
  readonly timestamp: number
}

export function idOf({ swarm, partition, offset }: LetterPlace): string {
  return `${swarm}:${partition}:${offset}`
}

export function parsedLetterId(id: string): LetterPlace {
  const [, swarm, partition, offset] = /^([A-Za-z0-9_-]{1,255}):(\d{1,9}):(\d{1,15})$/.exec(id) ?? []
  if (swarm === undefined) throw unknownLetter(id)
  return { swarm, partition: Number(partition), offset: Number(offset) }
}

/** The cursor for the place after this letter in the list. It stays valid when the letter is settled, and when retention has deleted the letter. */
export function cursorOf(letter: OpenLetter): string {
  return `${letter.timestamp}:${idOf(letter)}`
}

/** The letter that a cursor names; null for a text that is not a cursor. */
export function letterOfCursor(cursor: string): OpenLetter | null {
  const [, timestamp, id] = /^(-?\d{1,22}(?:\.\d{1,20})?(?:e[+-]\d{1,3})?):([^:]+:\d+:\d+)$/.exec(cursor) ?? []
  return id === undefined ? null : { ...parsedLetterId(id), timestamp: Number(timestamp) }
}

/** The order of a list: the newest letter first. */
export function newestFirst(a: OpenLetter, b: OpenLetter): number {
  const swarms = a.swarm === b.swarm ? 0 : a.swarm < b.swarm ? 1 : -1
  return b.timestamp - a.timestamp || swarms || b.partition - a.partition || b.offset - a.offset
}

export function unknownLetter(id: string): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_DEAD_LETTER', {
    message: `There is no dead letter ${id.slice(0, 300)}`,
    next: 'See `waggle dead-letters list`.',
  })
}
