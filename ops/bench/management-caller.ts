import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../connectors/system/system-clock.ts'

/** The calls of a `management-caller`, which runs in a thread of its own. */
export interface ManagementCalls {
  /** The addresses to call, one after the other. */
  readonly urls: readonly string[]
  readonly headers: { readonly [name: string]: string }
  readonly seconds: number
}

/** Makes calls, one after the other, with a pause between them. Gives the time of each call in ms. */
async function timesOf({ urls, headers, seconds }: ManagementCalls): Promise<readonly number[]> {
  const timesMs: number[] = []
  const untilMs = systemClock.elapsedMs() + seconds * 1000
  for (let at = 0; systemClock.elapsedMs() < untilMs; at++) {
    const url = urls[at % urls.length] ?? ''
    const fromMs = systemClock.elapsedMs()
    const answer = await fetch(url, { headers })
    await answer.arrayBuffer()
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
    timesMs.push(systemClock.elapsedMs() - fromMs)
    await new Promise((done) => void systemClock.after(pauseMs, () => done(null)))
  }
  return timesMs
}

const pauseMs = 20

parentPort?.postMessage(await timesOf(workerData as ManagementCalls))
