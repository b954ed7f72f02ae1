/**
 * What a task commits with each of its positions, as text: the partition's time, the task's, and the numbers that operators and
 * stores keep.
 */
export interface PositionNote {
  readonly partitionTime: number
  readonly streamTime: number
  readonly kept: readonly (readonly [name: string, value: number])[]
}

export function writePositionNote({ partitionTime, streamTime, kept }: PositionNote): string {
  const times = `${partitionTime} ${streamTime}`
  return kept.length === 0 ? times : `${times} ${JSON.stringify(kept)}`
}

/** Of text that is no note (another application's, or none) nothing is known. */
export function readPositionNote(text: string): PositionNote {
  const [, partitionTime = '-1', streamTime = '-1', kept = '[]'] = pattern.exec(text) ?? []
  return { partitionTime: Number(partitionTime), streamTime: Number(streamTime), kept: JSON.parse(kept) as PositionNote['kept'] }
}

const pattern = /^(-?\d+) (-?\d+)(?: (\[\[.*\]\]))?$/
