import type { AsyncCall } from '../../topology/async-step.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Bee, type BeeRequest, Responded } from '../define-bee.ts'
import type { BeeCalls } from './bee-calls.ts'
import { beeRequest } from './bee-request.ts'
import { payloadOf } from './payload-input.ts'

/** Calls a bee with rows, and returns a result or an error for each row. */
export async function callBee(
  made: Exclude<Bee<unknown, unknown>, { connect: unknown }>,
  { bee, given, open }: { readonly bee: string; readonly given: (payload: Payload) => unknown; readonly open: BeeCalls },
  rows: readonly Payload[],
  calls: readonly AsyncCall<string>[],
): Promise<readonly (BeeResult | WaggleError)[]> {
  const requests = calls.map((call, at) => beeRequest(call, rows[at] as Payload))
  if ('processBatch' in made) {
    const outputs: unknown = await open.call(bee, requests, () => made.processBatch(rows.map(given), requests))
    if (!Array.isArray(outputs)) throw noList(bee)
    // Array.from turns a hole in the list into undefined, which `payloadOf` refuses.
    return Array.from(outputs, (output: unknown) => safely(() => (output instanceof WaggleError ? output : resultOf(output, bee))))
  }
  return Promise.all(
    rows.map(async (row, at) => {
      try {
        const request = requests[at] as BeeRequest
        return resultOf(await open.call(bee, [request], () => made.process(given(row), request)), bee)
      } catch (thrown) {
        return WaggleError.from('WAGGLE_BEE_FAILED', thrown, {
          next: `Correct ${bee}: with WAGGLE_LOG_LEVEL=${bee}=debug the log of the process shows the stack.`,
        })
      }
    }),
  )
}

function resultOf(output: unknown, bee: string): BeeResult {
  if (!(output instanceof Responded)) return payloadOf(output, bee)
  return new Answered(payloadOf(output.answer, bee), output.published === null ? null : payloadOf(output.published.value, bee))
}

function noList(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_OUTPUT', { message: `${bee} gave no list of results`, next: 'Give one result a row, in order.' })
}

function safely(make: () => BeeResult | WaggleError): BeeResult | WaggleError {
  try {
    return make()
  } catch (thrown) {
    return WaggleError.from('WAGGLE_BEE_OUTPUT', thrown, { next: 'Correct the bee.' })
  }
}
