import { type FileHandle, open } from 'node:fs/promises'

/** A segment file that is only appended to. Writes, syncs and the close may overlap: the close waits for everything that began before it. */
export class SegmentFile {
  readonly #handle: Promise<FileHandle>
  readonly #writes = new Set<Promise<void>>()
  #closing: Promise<void> | null = null

  constructor(path: string) {
    this.#handle = open(path, 'w')
    // The first write reports the failure.
    this.#handle.catch(() => {})
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const write = this.#handle.then((handle) => writeAll(handle, bytes, position))
    this.#writes.add(write)
    const forget = () => void this.#writes.delete(write)
    write.then(forget, forget)
    return write
  }

  /** Makes all writes that have begun durable. It does not report failed writes: their own promises do. */
  async sync(): Promise<void> {
    await Promise.allSettled(this.#writes)
    // A close that has begun syncs first.
    if (this.#closing !== null) return this.#closing
    const handle = await this.#handle
    await handle.datasync()
  }

  /** Syncs all writes and closes the file. */
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

/** Repeats short writes: a disk that is nearly full takes only a part, and tells it only by the number of bytes. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    if (bytesWritten === 0) throw new Error('ENOSPC: the disk takes no more')
    done += bytesWritten
  }
}
