import { murmur2 } from '../partitioner.ts'

/** Four bytes that stand for the name of a node or a number in the note beside a position, which has little room. */
export function nameCode(name: string): number {
  return murmur2(new TextEncoder().encode(name)) >>> 0
}
