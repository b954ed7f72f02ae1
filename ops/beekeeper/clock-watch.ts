import type { SystemClock } from '../../connectors/system/system-clock.ts'

/** Warns once for each jump of the machine's clock. The returned function ends the watch. */
export function watchClock(clock: SystemClock, warn: (message: string) => void): () => void {
  let isTold = false
  let cancel = () => {}
  const look = () => {
    const aheadMs = clock.wallAheadMs()
    const isAway = Math.abs(aheadMs) > jumpMs
    if (isAway && !isTold) warn(jumped(aheadMs))
    isTold = isAway
    cancel = clock.after(lookEveryMs, look)
  }
  look()
  return () => cancel()
}

function jumped(aheadMs: number): string {
  const by = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead' : 'back'}`
  return `The machine's clock was set ${by}. Deadlines and time-outs go by the time that really passes; this process follows the new time by 3 s a minute, or at once after a restart`
}

const lookEveryMs = 10_000
const jumpMs = 2000
