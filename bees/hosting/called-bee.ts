import { isAsyncIterable } from '../../topology/async-iterable.ts'
import type { AsyncCall } from '../../topology/async-step.ts'
import { isPromiseLike } from '../../topology/promise-like.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Bee, type BeeRequest, Responded } from '../define-bee.ts'
import type { BeeCalls } from './bee-calls.ts'
import { beeRequest } from './bee-request.ts'
import { payloadOf } from './payload-input.ts'
import type { RequestParts } from './request-parts.ts'

export interface CallingBee {
  readonly bee: string
  readonly given: (payload: Payload) => unknown
  readonly open: BeeCalls
  readonly partsOf: (call: AsyncCall<string>) => RequestParts
}

/** Calls a bee with rows, and returns a result or an error for each row. */
export async function callBee(
  made: Exclude<Bee<unknown, unknown>, { connect: unknown }>,
  { bee, given, open, partsOf }: CallingBee,
  rows: readonly Payload[],
  calls: readonly AsyncCall<string>[],
): Promise<readonly (BeeResult | WaggleError)[]> {
  const parts = calls.map(partsOf)
  const requests = calls.map((call, at) => beeRequest(call, rows[at] as Payload, parts[at] as RequestParts))
  if ('processBatch' in made) {
    const outputs: unknown = await open.call(bee, requests, () => made.processBatch(rows.map(given), requests))
    if (!Array.isArray(outputs)) throw noList(bee)
    // Array.from turns a hole in the list into undefined, which `payloadOf` refuses.
    return Promise.all(Array.from(outputs, (output: unknown, at) => rowResult(output, parts[at], bee)))
  }
  const results = rows.map((row, at) => {
    const [request, own] = [requests[at] as BeeRequest, parts[at] as RequestParts]
    const failed = (thrown: unknown) => failedRow(thrown, own, bee)
    try {
      const output = open.call(bee, [request], () => made.process(given(row), request))
      if (isPromiseLike(output)) return laterResult(output, own, bee).catch(failed)
      const whole = own.outputOf(output)
      // An `await` costs a turn of the microtask queue, so only a promise is awaited.
      return isPromiseLike(whole) ? laterResult(whole, null, bee).catch(failed) : resultOf(whole, bee)
    } catch (thrown) {
      return failed(thrown)
    }
  })
  const [only] = results
  return results.length === 1 && only !== undefined ? [await only] : Promise.all(results)
}

async function laterResult(output: PromiseLike<unknown>, parts: RequestParts | null, bee: string): Promise<BeeResult> {
  const given = await output
  return resultOf(parts === null ? given : await parts.outputOf(given), bee)
}

async function failedRow(thrown: unknown, parts: RequestParts, bee: string): Promise<WaggleError> {
  await parts.fail()
  return WaggleError.from('WAGGLE_BEE_FAILED', thrown, {
    next: `Correct ${bee}: with WAGGLE_LOG_LEVEL=${bee}=debug the log of the process shows the stack.`,
  })
}

function resultOf(output: unknown, bee: string): BeeResult {
  if (!(output instanceof Responded)) return payloadOf(output, bee)
  return new Answered(payloadOf(output.answer, bee), output.published === null ? null : payloadOf(output.published.value, bee))
}

function noList(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_OUTPUT', {
    message: `${bee} gave no list of results`,
    next: 'Return one result for each row, in the order of the rows.',
  })
}

/** The result of one row of a batch. */
async function rowResult(output: unknown, parts: RequestParts | undefined, bee: string): Promise<BeeResult | WaggleError> {
  try {
    if (output instanceof WaggleError) throw output
    if (isAsyncIterable(output)) throw noGenerators(bee)
    return resultOf(await parts?.outputOf(output), bee)
  } catch (thrown) {
    await parts?.fail()
    return WaggleError.from('WAGGLE_BEE_OUTPUT', thrown, { next: 'Correct the bee.' })
  }
}

function noGenerators(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_OUTPUT', {
    message: `${bee} gave a generator as a result of a batch`,
    next: 'Publish parts by the beginParts of each request, or take requests one by one.',
  })
}
