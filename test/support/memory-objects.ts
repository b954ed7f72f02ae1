import { createHash } from 'node:crypto'
import { away, notFound } from '../../connectors/objects/store-error.ts'
import type { ObjectBytes, ObjectListing, ObjectStore, StoredObject } from '../../topology/swarm/ports/objects.ts'

/** A store in memory that keeps the contract, and breaks when a test asks for it. Addresses are `s3://memory/KEY`. */
export class MemoryObjects implements ObjectStore {
  readonly #objects = new Map<string, Uint8Array>()
  /** The first byte of each read. */
  readonly reads: number[] = []
  looks = 0
  isAway = false
  /** Each number ends one read after this many bytes. */
  readonly breaks: number[] = []
  /** Awaited before each chunk. */
  beforeChunk: () => Promise<void> = async () => {}

  put(key: string, content: Uint8Array | string): void {
    this.#objects.set(`s3://memory/${key}`, Buffer.from(content))
  }

  remove(key: string): void {
    this.#objects.delete(`s3://memory/${key}`)
  }

  async look(address: string, signal: AbortSignal): Promise<ObjectListing> {
    signal.throwIfAborted()
    this.looks++
    if (this.isAway) throw away(address, new Error('it is away'))
    const name = address.slice(address.lastIndexOf('/') + 1)
    const file = this.#objects.get(address)
    const objectOf = (key: string, path: string): StoredObject => {
      const content = this.#objects.get(key) ?? new Uint8Array(0)
      return { key, path, bytes: content.length, etag: tagOf(content), versionId: null }
    }
    if (file !== undefined) return { kind: 'file', name, objects: [objectOf(address, name)] }
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(`${address}/`))
    if (keys.length === 0) throw notFound(address, 'it is not in memory')
    return { kind: 'folder', name, objects: keys.map((key) => objectOf(key, name + key.slice(address.length))) }
  }

  async read(object: StoredObject, fromByte: number, signal: AbortSignal): Promise<ObjectBytes | null> {
    signal.throwIfAborted()
    if (this.isAway) throw away(object.key, new Error('it is away'))
    const content = this.#objects.get(object.key)
    if (content === undefined || tagOf(content) !== object.etag) return null
    this.reads.push(fromByte)
    return { fromByte, chunks: this.#chunks(object, content.subarray(fromByte), this.breaks.shift() ?? Number.POSITIVE_INFINITY) }
  }

  async *#chunks({ key }: StoredObject, content: Uint8Array, breaksAfter: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < content.length; at += chunkBytes) {
      await this.beforeChunk()
      if (this.isAway || at >= breaksAfter) throw away(key, new Error('the connection broke'))
      yield content.subarray(at, at + chunkBytes)
    }
  }
}

function tagOf(content: Uint8Array): string {
  return `"${createHash('md5').update(content).digest('hex')}"`
}

const chunkBytes = 1000
