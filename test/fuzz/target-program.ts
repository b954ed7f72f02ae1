import { AttemptFile } from './attempt-file.ts'
import { Mutator } from './mutator.ts'
import type { FuzzTarget } from './target.ts'
import { corpusOf } from './target-files.ts'

/**
 * A target in a separate process, which the fuzzer may end at any time. Arguments: URL of the target's module, folder of its corpus, path of the
 * attempt file, size limit of one attempt in bytes.
 */

/** An order. It is one input, or inputs that are made from the target's pool until `untilMs` (since the epoch) or `attempts`. */
export type TargetOrder =
  | { readonly order: 'fuzz'; readonly seed: number; readonly untilMs: number; readonly attempts: number }
  | { readonly order: 'try'; readonly input: Uint8Array }
  | { readonly order: 'close' }

/** The answer to each order except `close`. The first report says that the target is loaded. `failure` is null if every attempt passed. */
export interface TargetReport {
  readonly failure: { readonly kind: 'threw' | 'hogged'; readonly message: string } | null
}

const [url = '', corpus = '', path = '', maxAttemptBytes = ''] = process.argv.slice(2)
const target = await targetOf(url)
const attempts = new AttemptFile(path)

process.on('message', async (order: TargetOrder) => {
  if (order.order === 'close') {
    await target.close?.()
    attempts.close()
    process.disconnect()
    return
  }
  report({ failure: order.order === 'try' ? await attempted(order.input) : await fuzz(order) })
})
report({ failure: null })

async function fuzz({ seed, untilMs, attempts }: Extract<TargetOrder, { order: 'fuzz' }>): Promise<TargetReport['failure']> {
  const pool = [...target.seeds, ...corpusOf({ corpus }).map(({ bytes }) => bytes)]
  const mutator = new Mutator({ pool, dictionary: target.dictionary ?? [], seed })
  for (let number = 0; number < attempts && performance.timeOrigin + performance.now() < untilMs; number++) {
    const failure = await attempted(mutator.input(number))
    if (failure !== null) return failure
    // A target without an await would otherwise keep every timer of its parser from running.
    if (number % 256 === 0) await new Promise((settle) => setImmediate(settle))
  }
  return null
}

async function attempted(input: Uint8Array): Promise<TargetReport['failure']> {
  attempts.begin(input)
  const peakBefore = peakBytes()
  try {
    await target.attempt(input)
  } catch (thrown) {
    return { kind: 'threw', message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }
  }
  const grown = peakBytes() - peakBefore
  return grown > Number(maxAttemptBytes) ? { kind: 'hogged', message: `One attempt took ${Math.round(grown / 1024 / 1024)} MiB of memory` } : null
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

function report(message: TargetReport): void {
  process.send?.(message)
}

async function targetOf(module: string): Promise<FuzzTarget> {
  const { default: usual, target: named } = (await import(module)) as { readonly default?: FuzzTarget; readonly target?: FuzzTarget }
  const found = named ?? usual
  if (found === undefined) throw new Error(`${module} exports no target`)
  return found
}
