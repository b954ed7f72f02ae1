import { workerData } from 'node:worker_threads'
import { isAsyncIterable } from '../../topology/async-iterable.ts'
import { serveOwnPackage } from '../../topology/own-package.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeRequest } from '../define-bee.ts'
import { inputOf, payloadOf } from '../hosting/payload-input.ts'
import { publishAll } from '../hosting/request-parts.ts'
import { loadBeeWithoutSteps } from './load-bee.ts'
import type { FromModule, ModuleThreadData, SentError, ToModule } from './module-messages.ts'
import { sentError } from './sent-error.ts'
import { isPartAnswer, ThreadParts } from './thread-parts.ts'
import { ThreadPrints } from './thread-prints.ts'

/**
 * The program of one thread of a module bee with `workers`. The thread loads the module itself, so the module's variables belong to this thread
 * alone.
 */
const { module, bee, port, unreadPrints } = workerData as ModuleThreadData
// The port is removed from `workerData`, so that the module cannot use it.
Object.assign(workerData as object, { port: null })
const say = (message: FromModule) => port.postMessage(message)
const prints = unreadPrints === null ? null : new ThreadPrints(say, unreadPrints)
serveOwnPackage()
try {
  const made = await loadBeeWithoutSteps(module)
  const calls = new Map<number, OpenCall>()
  port.on('message', (message: ToModule) => {
    if (message.kind === 'ping') say({ kind: 'pong', call: message.call })
    else if (isPartAnswer(message)) calls.get(message.call)?.parts[message.request]?.answered(message)
    else if (message.kind === 'abort')
      calls.get(message.call)?.abort.abort(new WaggleError('WAGGLE_TIMEOUT', { message: message.reason, next: 'Nothing: the call is over.' }))
    else {
      const { call } = message
      const parts = message.requests.map((_, request) => new ThreadParts({ bee, call, request, earlier: [], say }))
      const open = { abort: new AbortController(), parts }
      calls.set(call, open)
      const outcomes = () => outcomesOf(made, message, open)
      void (prints === null ? outcomes() : prints.during(call, outcomes))
        .then(
          (outcomes) => say({ kind: 'done', call: message.call, outcomes }),
          (thrown: unknown) => say({ kind: 'failed', call: message.call, error: sentError(thrown) }),
        )
        .finally(() => calls.delete(message.call))
    }
  })
  say({ kind: 'ready', isBatch: 'processBatch' in made, example: exampleOf(made) })
} catch (thrown) {
  // The listener keeps the thread alive until it is terminated. Otherwise the thread could exit by itself, and its exit could arrive before its last
  // message.
  port.on('message', () => {})
  say({ kind: 'broken', error: sentError(thrown) })
}

async function outcomesOf(
  made: Awaited<ReturnType<typeof loadBeeWithoutSteps>>,
  { inputs, requests }: Extract<ToModule, { kind: 'call' }>,
  { abort, parts }: OpenCall,
): Promise<readonly (Payload | SentError | null)[]> {
  const given = inputs.map(inputOf)
  const asked: readonly BeeRequest[] = requests.map((request, at) => {
    const own = parts[at] as ThreadParts
    return { ...request, signal: abort.signal, parts: own.earlier, beginParts: () => own.begin() }
  })
  const outputs =
    'processBatch' in made ? await made.processBatch(given, asked) : [await wholeOf(await made.process(given[0], asked[0] as BeeRequest), parts[0])]
  return Array.from(outputs, (output: unknown) => {
    try {
      if (output === onlyParts) return null
      return output instanceof WaggleError ? sentError(output) : payloadOf(output, bee)
    } catch (thrown) {
      return sentError(thrown)
    }
  })
}

interface OpenCall {
  readonly abort: AbortController
  readonly parts: readonly ThreadParts[]
}

const onlyParts = Symbol('a generator that returned nothing')

/** The whole result of an output. If the output is a generator, publishes its parts. */
async function wholeOf(output: unknown, parts: ThreadParts | undefined): Promise<unknown> {
  if (!isAsyncIterable(output) || parts === undefined) return output
  return (await publishAll(output, await parts.begin())) ?? onlyParts
}

function exampleOf(made: Bee<unknown, unknown>): unknown {
  try {
    return structuredClone(made.example?.() ?? null)
  } catch {
    return null
  }
}
