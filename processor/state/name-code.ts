import { murmur2 } from '../../topology/partitioner.ts'

/** Returns four bytes that stand for the name of a node or a number. The note beside a position has no room for names. */
export function nameCode(name: string): number {
  return murmur2(Buffer.from(name)) >>> 0
}
