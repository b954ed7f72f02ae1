import type { Ahead } from '../async/unfinished.ts'

/** What a task says beside a position that it commits, so that it goes on from there as it would have. */
export interface PositionNote {
  readonly streamTime: number
  /** Of its operators. */
  readonly notes: readonly (readonly [name: string, value: number])[]
  /** Null where all that was read is done. */
  readonly ahead: Ahead | null
}

export function writeNote({ streamTime, notes, ahead }: PositionNote): string {
  if (ahead !== null) return `${streamTime} ${JSON.stringify({ notes, ahead })}`
  return notes.length === 0 ? String(streamTime) : `${streamTime} ${JSON.stringify(notes)}`
}

export function readNote(note: string): PositionNote {
  const space = note.indexOf(' ')
  const time = Number(space < 0 ? note || Number.NaN : note.slice(0, space))
  const streamTime = Number.isNaN(time) ? -1 : time
  if (space < 0) return { streamTime, notes: [], ahead: null }
  const said = JSON.parse(note.slice(space + 1)) as PositionNote['notes'] | Pick<PositionNote, 'notes' | 'ahead'>
  return 'ahead' in said ? { streamTime, ...said } : { streamTime, notes: said, ahead: null }
}
