import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'
import { Unavailable } from '../../topology/waggle-error.ts'

/** A claim store in memory that counts its calls, and that can be away. */
export class MemoryClaims implements ClaimStore {
  readonly name = 'memory'
  readonly objects = new Map<string, Uint8Array>()
  readonly gets: string[] = []
  puts = 0
  isAway = false

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.puts++
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
