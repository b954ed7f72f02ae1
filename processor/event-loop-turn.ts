/** Settles after timers, sockets and other work of the process have had a turn. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
