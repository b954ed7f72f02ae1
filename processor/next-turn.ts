/** Timers, sockets and everybody else of the process have their turn before it settles. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
