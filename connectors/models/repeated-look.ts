import type { Clock } from '../../processor/ports.ts'

/** Calls `look` again and again, until the returned function is called. Each call begins `everyMs` after the last one has ended. */
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
