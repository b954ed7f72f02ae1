/** Settles in a later turn of the event loop, so that timers, sockets and other work of the process run before. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
