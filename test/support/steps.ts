import { Session } from 'node:inspector/promises'

/**
 * Counts the steps of the project's own code while `work` runs: the number of times that each block of each function in `rooms` is entered. Steps do
 * not depend on time, so the result is the same on a slow machine. Code that is already running at the start is counted too.
 */
export async function countSteps(rooms: readonly string[], work: () => Promise<void>): Promise<number> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    await session.post('Profiler.takePreciseCoverage')
    await work()
    const { result } = await session.post('Profiler.takePreciseCoverage')
    let steps = 0
    for (const { url, functions } of result) {
      if (!rooms.some((room) => url.includes(`/${room}/`)) || url.includes('/node_modules/')) continue
      for (const { ranges } of functions) for (const { count } of ranges) steps += count
    }
    return steps
  } finally {
    session.disconnect()
  }
}
