import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

/** Copies a file durably, and returns the hash and the length of the bytes that were read. */
export async function copyFile(
  from: string,
  to: string,
  { mode }: { readonly mode: number },
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  const source = await open(from, 'r')
  try {
    const target = await open(to, 'wx', mode)
    try {
      const buffer = Buffer.allocUnsafe(chunkBytes)
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, chunkBytes, bytes)
        if (bytesRead === 0) break
        const chunk = buffer.subarray(0, bytesRead)
        hash.update(chunk)
        for (let done = 0; done < bytesRead; ) done += (await target.write(chunk, done, bytesRead - done, bytes + done)).bytesWritten
        bytes += bytesRead
      }
      // The process's umask removes permissions that the file has, so they are set again.
      await target.chmod(mode)
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  return { sha256: hash.digest('hex'), bytes }
}

const chunkBytes = 1024 * 1024
