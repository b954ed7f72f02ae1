import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'
import { Unavailable, type WaggleError } from '../../topology/waggle-error.ts'

/** A claim store in memory that counts its calls. A test can make the store unreachable. */
export class MemoryClaims implements ClaimStore {
  readonly name = 'memory'
  readonly objects = new Map<string, Uint8Array>()
  readonly gets: string[] = []
  puts = 0
  isAway = false
  /** The error for further objects; null while there is room. */
  full: WaggleError | null = null

  refusal(): WaggleError | null {
    return this.full
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.puts++
    if (this.full !== null) throw this.full
    this.#answer()
    this.objects.set(key, new Uint8Array(bytes))
  }

  async get(key: string, maxBytes: number): Promise<Uint8Array | null> {
    this.gets.push(key)
    this.#answer()
    return this.objects.get(key)?.slice(0, maxBytes + 1) ?? null
  }

  async delete(key: string): Promise<void> {
    this.#answer()
    this.objects.delete(key)
  }

  async list(before: string, most: number): Promise<readonly string[]> {
    this.#answer()
    return [...this.objects.keys()]
      .filter((key) => key < before)
      .toSorted()
      .slice(0, most)
  }

  async close(): Promise<void> {}

  #answer(): void {
    if (this.isAway) throw new Unavailable('WAGGLE_CLAIM_STORE_AWAY', { message: 'The store is away', next: 'Wait.' })
  }
}
