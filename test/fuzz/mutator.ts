import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'

/** The size limit of inputs. It exceeds the parsers' own limits. */
const maxInputBytes = 2 * 1024 * 1024

/** Makes inputs from a pool of other inputs. Input number N depends only on pool, dictionary, seed and N. */
export class Mutator {
  readonly #pool: readonly Uint8Array[]
  readonly #dictionary: readonly Uint8Array[]
  readonly #seed: number

  constructor({
    pool,
    dictionary,
    seed,
  }: {
    readonly pool: readonly Uint8Array[]
    readonly dictionary: readonly Uint8Array[]
    readonly seed: number
  }) {
    this.#pool = pool.length === 0 ? [new Uint8Array()] : pool
    this.#dictionary = dictionary
    this.#seed = seed
  }

  /** Makes an input. The first numbers return the pool unchanged, so that each known input is tried. */
  input(number: number): Uint8Array {
    const known = this.#pool[number]
    if (known !== undefined) return known
    const random = new SimulatedRandom((this.#seed * 0x9e3779b1 + number) | 0)
    let bytes = this.#chosen(random)
    const changes = 1 + random.below(random.below(4) === 0 ? 16 : 4)
    for (let change = 0; change < changes; change++) bytes = this.#changed(bytes, random)
    return bytes.subarray(0, maxInputBytes)
  }

  #changed(bytes: Uint8Array, random: SimulatedRandom): Uint8Array {
    const at = random.below(bytes.length + 1)
    switch (random.below(12)) {
      case 0:
        return withByte(bytes, at, (byte) => byte ^ (1 << random.below(8)))
      case 1:
        return withByte(bytes, at, () => random.below(256))
      case 2:
        return withInteger(bytes, at, random, () => interesting[random.below(interesting.length)] ?? 0n)
      case 3:
        return withInteger(bytes, at, random, (now) => neighbours(now, bytes.length - at)[random.below(6)] ?? 0n)
      case 4:
        return spliced(bytes, at, 1 + random.below(span(bytes, random)), noBytes)
      case 5:
        return spliced(bytes, at, 0, random.bytes(1 + random.below(16)))
      case 6:
        return repeated(bytes, at, random)
      case 7:
        return this.#joined(bytes, at, random)
      case 8:
        return bytes.subarray(0, at)
      case 9:
        return withDecimal(bytes, at, random)
      default:
        return this.#withWord(bytes, at, random)
    }
  }

  #withWord(bytes: Uint8Array, at: number, random: SimulatedRandom): Uint8Array {
    const words = this.#dictionary.length === 0 || random.below(4) === 0 ? commonWords : this.#dictionary
    const word = words[random.below(words.length)] ?? noBytes
    return spliced(bytes, at, random.below(2) === 0 ? 0 : word.length, word)
  }

  /** The beginning of one input with the end of another. */
  #joined(bytes: Uint8Array, at: number, random: SimulatedRandom): Uint8Array {
    const other = this.#chosen(random)
    return spliced(bytes, at, bytes.length, other.subarray(random.below(other.length + 1)))
  }

  #chosen(random: SimulatedRandom): Uint8Array {
    return this.#pool[random.below(this.#pool.length)] ?? noBytes
  }
}

const noBytes = new Uint8Array()

/** Sizes and counts at which parsers often fail. */
const interesting: readonly bigint[] = [
  0n,
  1n,
  -1n,
  ...[7n, 8n, 15n, 16n, 24n, 31n, 32n, 53n, 63n].flatMap((bits) => [(1n << bits) - 1n, 1n << bits, -(1n << bits)]),
]

const commonWords = ['\0', '\r\n', '[', '{', '"', '\u{FEFF}', '\\ud800', '__proto__', 'constructor', '1e999', '-0', 'NaN', '../', '\u{1F9F8}'].map(
  (word) => Buffer.from(word),
)

const decimals = ['0', '-1', '1', '2147483648', '4294967296', '9007199254740993', '18446744073709551616', '1e308', '1e999', '-0', '0.1', '']

function spliced(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const start = Math.min(at, bytes.length)
  return Buffer.concat([bytes.subarray(0, start), added, bytes.subarray(Math.min(bytes.length, start + removed))])
}

/** The length of a span. Short spans are more frequent than long ones. */
function span(bytes: Uint8Array, random: SimulatedRandom): number {
  return 1 + random.below(random.below(3) === 0 ? bytes.length + 1 : 16)
}

function withByte(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = new Uint8Array(bytes)
  if (copy.length > 0) copy[at % copy.length] = change(copy[at % copy.length] ?? 0)
  return copy
}

/** Changes a whole number of 1, 2, 4 or 8 bytes, in either byte order. */
function withInteger(bytes: Uint8Array, at: number, random: SimulatedRandom, change: (now: bigint) => bigint): Uint8Array {
  const width = 1 << random.below(4)
  const isBigEndian = random.below(2) === 0
  const copy = new Uint8Array(bytes)
  if (at + width > copy.length) return copy
  const places = Array.from({ length: width }, (_, place) => at + (isBigEndian ? place : width - 1 - place))
  const value = change(places.reduce((sum, place) => (sum << 8n) | BigInt(copy[place] ?? 0), 0n))
  for (const [index, place] of places.entries()) copy[place] = Number((value >> BigInt(8 * (width - 1 - index))) & 0xffn)
  return copy
}

/** Wrong values for a length field: off by one, off by a factor, or larger than the rest of the input. */
function neighbours(now: bigint, rest: number): readonly bigint[] {
  return [now + 1n, now - 1n, now * 2n, BigInt(rest), BigInt(rest + 1), -now]
}

/** Replaces a number in decimal digits at or after `at`. */
function withDecimal(bytes: Uint8Array, at: number, random: SimulatedRandom): Uint8Array {
  const isDigit = (place: number) => (bytes[place] ?? 0) >= 48 && (bytes[place] ?? 0) <= 57
  let start = at
  while (start < bytes.length && !isDigit(start)) start++
  let end = start
  while (end < bytes.length && isDigit(end)) end++
  return spliced(bytes, start, end - start, Buffer.from(decimals[random.below(decimals.length)] ?? ''))
}

/** Repeats one piece many times, for deep nesting and long lists. */
function repeated(bytes: Uint8Array, at: number, random: SimulatedRandom): Uint8Array {
  const piece = bytes.subarray(at, at + span(bytes, random))
  const most = Math.max(1, Math.min(random.below(8) === 0 ? 10_000 : 8, Math.floor(maxInputBytes / 4 / Math.max(1, piece.length))))
  const times = 1 + random.below(most)
  return spliced(bytes, at, 0, Buffer.concat(Array.from({ length: times }, () => piece)))
}
