import { type FileHandle, open } from 'node:fs/promises'

/** One segment file that is appended to. Writes, syncs and the close may overlap: the file is closed when everything that was begun before is through. */
export class SegmentFile {
  readonly #handle: Promise<FileHandle>
  readonly #writes = new Set<Promise<void>>()
  #closing: Promise<void> | null = null

  constructor(path: string) {
    this.#handle = open(path, 'w')
    // The first write tells its failure.
    this.#handle.catch(() => {})
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const write = this.#handle.then((handle) => writeAll(handle, bytes, position))
    this.#writes.add(write)
    const forget = () => void this.#writes.delete(write)
    write.then(forget, forget)
    return write
  }

  /** All writes that have begun are durable when it settles; a write that fails says so itself. */
  async sync(): Promise<void> {
    await Promise.allSettled(this.#writes)
    // A close that has begun syncs first.
    if (this.#closing !== null) return this.#closing
    const handle = await this.#handle
    await handle.datasync()
  }

  /** Syncs what was written, and lets go of the file. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#writes)
    const handle = await this.#handle
    try {
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }
}

/** A disk that is nearly full takes a part and says so only by how much it took. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    if (bytesWritten === 0) throw new Error('ENOSPC: the disk takes no more')
    done += bytesWritten
  }
}
