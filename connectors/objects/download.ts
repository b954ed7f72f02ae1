import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { ObjectStore, StoredObject } from '../../topology/swarm/ports/objects.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { fileError } from '../system/file-error.ts'
import { away } from './store-error.ts'
import { untilAborted } from './until-aborted.ts'
import { isStrong } from './version-tag.ts'

export interface DownloadOptions {
  readonly store: ObjectStore
  readonly object: StoredObject
  /** The file for the object. An existing file is a part of the same version, and the download continues it. */
  readonly file: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called with the number of bytes that the file already has. */
  readonly onKept: (bytes: number) => void
  /** Called after each chunk with its number of bytes. */
  readonly onBytes: (bytes: number) => void
  /** At least `leastBytes` must arrive in each period of `stallMs`. */
  readonly stallMs: number
  readonly leastBytes: number
}

/**
 * Fetches one object into a file, durably. Throws `Unavailable` if the connection breaks, stalls or delivers a wrong number of bytes, and if the
 * store now has another version. The fetched bytes stay in the file for the next call. Each byte is written to its own position, so two processes
 * that write the same version do no harm.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { object, file } = options
  await mkdir(dirname(file), { recursive: true })
  // Symbolic links are not followed, because the file must be one that this cache has made.
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
  try {
    const { size } = await handle.stat()
    // Without a strong tag, nobody can tell whether the bytes in the file belong to the same object as the rest.
    let from = isStrong(object.etag) && size <= object.bytes ? size : 0
    if (size > from) await handle.truncate(from)
    options.onKept(from)
    if (from < object.bytes) from = await fetchFrom(options, handle, from)
    if (from !== object.bytes) throw away(object.key, new Error(`it broke off after ${from} of ${object.bytes} bytes`))
    await handle.sync()
  } catch (thrown) {
    throw thrown instanceof WaggleError ? thrown : (fileError(thrown, otherDisk) ?? thrown)
  } finally {
    await handle.close()
  }
}

/** Fetches the rest of the object into the file. Returns the number of bytes that the file then has. */
async function fetchFrom({ store, object, clock, signal, onBytes, stallMs, leastBytes }: DownloadOptions, handle: FileHandle, start: number) {
  const stalled = new AbortController()
  const both = AbortSignal.any([signal, stalled.signal])
  let at = start
  let atLastLook = start
  let cancel = () => {}
  const watch = () => {
    cancel = clock.after(stallMs, () => {
      if (at - atLastLook < leastBytes) stalled.abort(away(object.key, new Error(`it brought ${at - atLastLook} bytes in ${stallMs / 1000} s`)))
      atLastLook = at
      watch()
    })
  }
  watch()
  try {
    const answer = await untilAborted(store.read(object, start, both), both)
    if (answer === null) throw changed(object)
    if (answer.fromByte !== start) {
      if (answer.fromByte !== 0)
        throw away(object.key, new Error(`it sent the bytes from ${answer.fromByte} where those from ${start} were asked for`))
      at = atLastLook = 0
      await handle.truncate(0)
    }
    const chunks = answer.chunks[Symbol.asyncIterator]()
    for (;;) {
      const next = await untilAborted(chunks.next(), both)
      if (next.done === true) return at
      const { value: chunk } = next
      if (at + chunk.length > object.bytes) throw away(object.key, new Error(`it sent more than the ${object.bytes} bytes that it has`))
      await writeAll(handle, chunk, at)
      at += chunk.length
      onBytes(chunk.length)
    }
  } finally {
    cancel()
    // The connection of an abandoned download must end.
    stalled.abort()
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
  }
}

function changed(object: StoredObject): WaggleError {
  return away(object.key, new Error('the store has another version of it by now'))
}

const otherDisk = 'WAGGLE_DATA_DIR sets the data directory, which has the cache of models.'
