/**
 * Calls `end` once when the reader of this process's output has ended, as with `| head`. Later writes are dropped, and their EPIPE is not reported.
 * Other errors of the streams are thrown.
 */
export function onBrokenPipe(streams: readonly NodeJS.WriteStream[], end: () => void): void {
  let isBroken = false
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      if (isBroken) return
      isBroken = true
      end()
    })
  }
}
