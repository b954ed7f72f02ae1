/**
 * Called once when nobody reads this process's output any more, as behind `| head`: writes then fail with EPIPE. Nothing is said about it, and later writes go
 * nowhere. Other errors of the streams are thrown.
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
