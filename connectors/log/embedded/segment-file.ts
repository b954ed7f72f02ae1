import { type FileHandle, open } from 'node:fs/promises'

/** A segment file, which only grows. Writes and syncs may run at the same time. Closing waits for all of them. */
export class SegmentFile {
  readonly #handle: Promise<FileHandle>
  readonly #writes = new Set<Promise<void>>()
  #closing: Promise<void> | null = null

  constructor(path: string) {
    this.#handle = open(path, 'w')
    // The first write reports a failed opening.
    this.#handle.catch(() => {})
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const write = this.#handle.then((handle) => writeAll(handle, bytes, position))
    this.#writes.add(write)
    const forget = () => void this.#writes.delete(write)
    write.then(forget, forget)
    return write
  }

  /** Makes all started writes durable. Failed writes are reported by their own promises only. */
  async sync(): Promise<void> {
    await Promise.allSettled(this.#writes)
    // `close` syncs the file too, so it is enough to wait for `close`.
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

/** Writes all bytes. On a nearly full disk, one call may write only a part of the bytes and report no error. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    if (bytesWritten === 0) throw new Error('ENOSPC: the disk takes no more')
    done += bytesWritten
  }
}
