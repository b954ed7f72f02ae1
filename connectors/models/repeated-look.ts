import type { Clock } from '../../processor/ports.ts'

/** Calls `look` repeatedly, until the returned function is called. Each call begins `everyMs` after the last call has ended. */
export function repeatLook(clock: Clock, everyMs: number, look: () => Promise<void>): () => void {
  let isStopped = false
  let cancel = () => {}
  const plan = () => {
    cancel = clock.after(everyMs, () => {
      void look().finally(() => {
        if (!isStopped) plan()
      })
    })
  }
  plan()
  return () => {
    isStopped = true
    cancel()
  }
}
