import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../connectors/system/system-clock.ts'

/** A call that is made again and again. In `path` and `body`, `{round}` stands for the number of the round, and `{letter}` for an open dead letter. */
export interface ManagementCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: string
}

/** The calls of a `management-caller`, which runs in a thread of its own. */
export interface ManagementCalls {
  readonly url: string
  /** The calls of a round, one after the other. */
  readonly calls: readonly ManagementCall[]
  /** The first round has this number, so that names are new in each run. */
  readonly firstRound: number
  readonly headers: { readonly [name: string]: string }
  readonly seconds: number
}

/** The times of the calls, in ms, in the order of the calls of a round. */
export interface ManagementTimes {
  readonly timesMs: readonly (readonly number[])[]
  readonly nextRound: number
}

/** Makes whole rounds of calls, with a pause after each call. */
async function timesOf({ url, calls, firstRound, headers, seconds }: ManagementCalls): Promise<ManagementTimes> {
  const timesMs: number[][] = calls.map(() => [])
  const untilMs = systemClock.elapsedMs() + seconds * 1000
  const send = async ({ method, path, body }: ManagementCall): Promise<string> => {
    const content = body === undefined ? {} : { body, headers: { ...headers, 'content-type': 'application/json' } }
    const answer = await fetch(`${url}${path}`, { method, headers, ...content })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`)
    return text
  }
  let round = firstRound
  for (; systemClock.elapsedMs() < untilMs; round++) {
    for (const [at, call] of calls.entries()) {
      const letter = call.path.includes('{letter}') ? letterIn(await send({ method: 'GET', path: '/v1/dead-letters?max=1' })) : ''
      const filled = (text: string) => text.replaceAll('{round}', String(round)).replaceAll('{letter}', letter)
      const { method, path, body } = call
      const fromMs = systemClock.elapsedMs()
      await send({ method, path: filled(path), ...(body === undefined ? {} : { body: filled(body) }) })
      timesMs[at]?.push(systemClock.elapsedMs() - fromMs)
      await new Promise((done) => void systemClock.after(pauseMs, () => done(null)))
    }
  }
  return { timesMs, nextRound: round }
}

function letterIn(text: string): string {
  const { dead_letters: letters } = JSON.parse(text) as { readonly dead_letters: readonly { readonly id: string }[] }
  const [letter] = letters
  if (letter === undefined) throw new Error('There is no dead letter to retry')
  return encodeURIComponent(letter.id)
}

const pauseMs = 20

parentPort?.postMessage(await timesOf(workerData as ManagementCalls))
