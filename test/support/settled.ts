import type { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'

/** Moves simulated time on until the promise settles, by at most `withinMs` (default: an hour). Settles as the promise does. */
export async function settled<T>(clock: Pick<SimulatedClock, 'until'>, promise: Promise<T>, withinMs?: number): Promise<T> {
  let isSettled = false
  const end = () => {
    isSettled = true
  }
  promise.then(end, end)
  await clock.until(() => isSettled, withinMs)
  return promise
}
