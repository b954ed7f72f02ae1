import type { BeeActivity } from '../../bees/hosting/bee-calls.ts'
import type { Clock } from '../../processor/ports.ts'

/**
 * Warns when this process was blocked, which a late timer of the event loop shows. `takeActivity` returns, for each swarm, the bees that had calls
 * since its last call. The returned function ends the watch.
 */
export function watchLoop(
  clock: Pick<Clock, 'after' | 'elapsedMs'>,
  takeActivity: () => readonly BeeActivity[],
  warn: (message: string) => void,
): () => void {
  let dueMs = 0
  const look = () => {
    const lateMs = clock.elapsedMs() - dueMs
    const activity = takeActivity()
    if (lateMs >= blockedMs && activity.every(({ isReported }) => !isReported))
      warn(
        blocked(
          lateMs,
          activity.flatMap(({ bees }) => bees),
        ),
      )
    next()
  }
  const next = () => {
    dueMs = clock.elapsedMs() + lookEveryMs
    cancel = clock.after(lookEveryMs, look)
  }
  let cancel = () => {}
  next()
  return () => cancel()
}

function blocked(ms: number, bees: readonly string[]): string {
  const cause = bees.length === 0 ? 'No bee had a call meanwhile' : `Bees with calls meanwhile: ${bees.join(', ')}`
  return `This process was blocked for ${(ms / 1000).toFixed(1)} s: no request, deadline or timer was handled. ${cause}`
}

const lookEveryMs = 500
const blockedMs = 500
