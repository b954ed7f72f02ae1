import { murmur2End, murmur2Next, murmur2Start } from '../../topology/partitioner.ts'

/**
 * Chooses the ends of new ids, so that the records of requests that come one after the other fall into one partition. They then share a task, a run of
 * records and the partition's part of a commit. The cost of a request therefore does not grow with the number of partitions. Kafka's producer does the
 * same for records without a key (KIP-480, sticky partitioner). The id alone still tells the partition, so every reader finds it.
 *
 * After 64 ids, the next ids go to another partition. With more than 256 partitions, one of 256 groups of partitions takes the place of a partition,
 * because the search for an end takes a step for each group, on average.
 *
 * @example
 *   const { start, markOf } = id
 *   const end = sticky.endOf(start, { first: random16, markOf })
 */
export class StickyPartitions {
  readonly #partitions: number
  readonly #groups: number
  #group: number
  #left = idsAGroup

  /** `first`, from 0 to below 1, chooses the partition of the first ids. */
  constructor(partitions: number, first: number) {
    this.#partitions = partitions
    this.#groups = Math.min(partitions, mostGroups)
    this.#group = Math.floor(first * this.#groups)
  }

  /**
   * The last four digits of an id, as a number of 16 bits. `start` is the id's first 24 characters, and `markOf` gives its next eight digits for an
   * end. The search begins at `first`.
   */
  endOf(start: string, { first, markOf }: { readonly first: number; readonly markOf: (end: number) => number }): number {
    if (this.#left === 0) {
      this.#left = idsAGroup
      this.#group = (this.#group + 1) % this.#groups
    }
    this.#left--
    let state = murmur2Start(idLength)
    for (let at = 0; at < start.length; at += 4) state = murmur2Next(state, blockAt(start, at))
    for (let step = 0; step < ends; step++) {
      const end = (first + step) % ends
      const mark = markOf(end)
      const marked = murmur2Next(murmur2Next(state, digits(mark >>> 16)), digits(mark & 0xffff))
      const hash = murmur2End(murmur2Next(marked, digits(end)))
      if (((hash & 0x7fffffff) % this.#partitions) % this.#groups === this.#group) return end
    }
    return first
  }
}

const idsAGroup = 64
const mostGroups = 256
const ends = 2 ** 16

/** The number of characters of a UUID. */
const idLength = 36

function blockAt(text: string, at: number): number {
  return text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)
}

/** 16 bits as four hexadecimal digits, as murmur2 reads them. */
function digits(number: number): number {
  return (twoDigits[number >>> 8] ?? 0) | ((twoDigits[number & 0xff] ?? 0) << 16)
}

const twoDigits = Uint16Array.from({ length: 256 }, (_, byte) => {
  const text = byte.toString(16).padStart(2, '0')
  return text.charCodeAt(0) | (text.charCodeAt(1) << 8)
})
