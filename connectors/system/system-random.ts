import { randomBytes } from 'node:crypto'
import type { Random } from '../../processor/ports.ts'

/** Random bytes from the operating system. They are read in blocks. */
export class SystemRandom implements Random {
  #pool = Buffer.alloc(0)
  #used = 0

  next(): number {
    return this.#draw(6).readUIntBE(0, 6) / 2 ** 48
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from(this.#draw(count))
  }

  #draw(count: number): Buffer {
    if (count > poolBytes) return randomBytes(count)
    if (this.#used + count > this.#pool.length) {
      this.#pool = randomBytes(poolBytes)
      this.#used = 0
    }
    this.#used += count
    return this.#pool.subarray(this.#used - count, this.#used)
  }
}

const poolBytes = 4096
