import { workerData } from 'node:worker_threads'
import { serveOwnPackage } from '../../topology/own-package.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeRequest } from '../define-bee.ts'
import { inputOf, payloadOf } from '../hosting/payload-input.ts'
import { loadBee, loadMs, withoutSteps } from './load-bee.ts'
import type { FromModule, ModuleThreadData, SentError, ToModule } from './module-messages.ts'
import { sentError } from './sent-error.ts'

/**
 * The program of one thread of a module bee with `workers`. The thread loads the module itself, so the module's variables belong to this thread
 * alone.
 */
const { module, bee, port } = workerData as ModuleThreadData
// The port is removed from `workerData`, so that the module cannot use it.
Object.assign(workerData as object, { port: null })
const say = (message: FromModule) => port.postMessage(message)
serveOwnPackage()
try {
  const made = withoutSteps(await loadBee(module, loadMs))
  const calls = new Map<number, AbortController>()
  port.on('message', (message: ToModule) => {
    if (message.kind === 'ping') say({ kind: 'pong', call: message.call })
    else if (message.kind === 'abort')
      calls.get(message.call)?.abort(new WaggleError('WAGGLE_TIMEOUT', { message: message.reason, next: 'Nothing: the call is over.' }))
    else {
      const abort = new AbortController()
      calls.set(message.call, abort)
      void outcomesOf(made, message, abort.signal)
        .then(
          (outcomes) => say({ kind: 'done', call: message.call, outcomes }),
          (thrown: unknown) => say({ kind: 'failed', call: message.call, error: sentError(thrown) }),
        )
        .finally(() => calls.delete(message.call))
    }
  })
  say({ kind: 'ready', isBatch: 'processBatch' in made, example: exampleOf(made) })
} catch (thrown) {
  // The listener keeps the thread alive until it is terminated. If the thread exited by itself, its exit could arrive before the message.
  port.on('message', () => {})
  say({ kind: 'broken', error: sentError(thrown) })
}

async function outcomesOf(
  made: ReturnType<typeof withoutSteps>,
  { inputs, requests }: Extract<ToModule, { kind: 'call' }>,
  signal: AbortSignal,
): Promise<readonly (Payload | SentError)[]> {
  const given = inputs.map(inputOf)
  const asked: readonly BeeRequest[] = requests.map((request) => ({ ...request, signal }))
  const outputs = 'processBatch' in made ? await made.processBatch(given, asked) : [await made.process(given[0], asked[0] as BeeRequest)]
  return Array.from(outputs, (output: unknown) => {
    try {
      return output instanceof WaggleError ? sentError(output) : payloadOf(output, bee)
    } catch (thrown) {
      return sentError(thrown)
    }
  })
}

function exampleOf(made: Bee<unknown, unknown>): unknown {
  try {
    return structuredClone(made.example?.() ?? null)
  } catch {
    return null
  }
}
