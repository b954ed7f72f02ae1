import { isErrorCode } from '../../topology/error-codes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { endOfRows, signedIn } from './query-server.ts'

/**
 * Sends a question to the process at `host`. Throws the error in that process's response. If the process does not respond, throws
 * WAGGLE_STORE_MIGRATED, because the tasks of the process will move to another process.
 */
export async function askHost(host: string, question: unknown, { secret }: { readonly secret: string | null }): Promise<AsyncIterable<unknown>> {
  const answer = await fetch(`http://${host}/query`, {
    method: 'POST',
    headers: signedIn(secret),
    body: JSON.stringify(question),
    signal: AbortSignal.timeout(answerTimeoutMs),
  }).catch((thrown: unknown) => {
    throw gone(host, thrown)
  })
  if (answer.status !== 200) throw problemOf(host, await answer.text())
  if (answer.body === null) throw gone(host, new Error('it said nothing'))
  return rowsOf(host, answer.body)
}

async function* rowsOf(host: string, body: ReadableStream<Uint8Array>): AsyncIterable<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  let hasEnded = false
  try {
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line === JSON.stringify(endOfRows)) hasEnded = true
        else yield JSON.parse(line)
      }
    }
  } catch (thrown) {
    throw gone(host, thrown)
  }
  if (!hasEnded) throw gone(host, new Error('its answer was cut off'))
}

function problemOf(host: string, text: string): WaggleError {
  try {
    const { code, message, next } = JSON.parse(text) as { readonly code: string; readonly message: string; readonly next: string }
    if (code.startsWith('WAGGLE_')) return new WaggleError(isErrorCode(code) ? code : 'WAGGLE_QUERY_FAILED', { message, next })
  } catch {
    // The response is not an error of a Waggle process, so another server listens at this address.
  }
  return gone(host, new Error(text.slice(0, 200)))
}

function gone(host: string, cause: unknown): WaggleError {
  return WaggleError.from('WAGGLE_STORE_MIGRATED', cause instanceof WaggleError ? cause : new Error(String(cause)), {
    message: `The process at ${host} holds this part of the store and gave no answer that can be read`,
    next: 'Ask again in a moment: its tasks go to another process.',
  })
}

const answerTimeoutMs = 60_000
