import type { Random } from '../ports.ts'

/** Seeded random numbers: one seed gives one history. The generator is sfc32 (PractRand's small fast counter). */
export class SimulatedRandom implements Random {
  readonly #state: [number, number, number, number]

  constructor(seed: number) {
    this.#state = [seed | 0, 0x9e3779b9, 0x243f6a88, 1]
    for (let round = 0; round < 12; round++) this.#word()
  }

  next(): number {
    return this.#word() / 2 ** 32
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#word() & 0xff)
  }

  /** A uniform whole number in 0 … `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  #word(): number {
    const [a, b, c, counter] = this.#state
    const word = (a + b + counter) | 0
    this.#state[0] = b ^ (b >>> 9)
    this.#state[1] = (c + (c << 3)) | 0
    this.#state[2] = (((c << 21) | (c >>> 11)) + word) | 0
    this.#state[3] = (counter + 1) | 0
    return word >>> 0
  }
}
