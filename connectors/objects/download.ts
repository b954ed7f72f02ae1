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
  /** Where the object goes. A file that is there already is a part of the same version, and is gone on with. */
  readonly file: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called with the number of bytes that were here already. */
  readonly onKept: (bytes: number) => void
  /** Called with the number of bytes that each step has brought. */
  readonly onBytes: (bytes: number) => void
  /** In each period of `stallMs` at least `leastBytes` must come. */
  readonly stallMs: number
  readonly leastBytes: number
}

/**
 * Fetches one object into a file, durably. Throws `Unavailable` if the connection breaks, stalls or brings another number of bytes, and if the store has another
 * version by now. The bytes that came stay for the next call. Bytes are written to their places, so two writers of one version do no harm.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { object, file } = options
  await mkdir(dirname(file), { recursive: true })
  // Links are not followed: the file must be one that was made here.
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
  try {
    const { size } = await handle.stat()
    // Without a strong tag nobody can tell whether the rest belongs to the part that is here.
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

/** Writes the rest of the object. Returns how many bytes the file has then. */
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
    // A connection that is given up must not go on.
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
