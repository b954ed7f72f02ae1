import type { Clock } from '../../processor/ports.ts'

/** Calls `look` again and again, `everyMs` after its last call has ended, until the returned function is called. */
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
