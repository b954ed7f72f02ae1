import type { AsyncWorker } from '../../topology/async-step.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import { claimedBytes, withoutClaims } from '../../topology/swarm/payload/claimed-payload.ts'
import { isLargerThan } from '../../topology/swarm/payload/inline-size.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

type Worker = AsyncWorker<string, Payload, Payload, BeeResult>

/** A host whose bees fetch large inputs from the claim store when they are called, and put large results there. */
export function claimedHost(host: BeeHost, claims: Claims): BeeHost {
  return {
    open: async (bee, batchSize) => claimedWorker(await host.open(bee, batchSize), { claims, reader: bee.type.role === 'sink' ? 'sink' : 'other' }),
    valueOf: (bee) => host.valueOf(bee),
    streamOf: (bee) => host.streamOf(bee),
    replicasOf: (bee) => host.replicasOf?.(bee) ?? bee.replicas,
    batchOf: (bee) => host.batchOf(bee),
    ...(host.recordsSpans === undefined ? {} : { recordsSpans: host.recordsSpans }),
  }
}

function claimedWorker(worker: Worker, { claims, reader }: { readonly claims: Claims; readonly reader: 'sink' | 'other' }): Worker {
  const inline: Worker['call'] = async (rows, calls) => {
    const outcomes = await worker.call(rows, calls)
    return outcomes.some((outcome) => isLarge(outcome, claims)) ? Promise.all(outcomes.map((outcome, at) => putAside(outcome, calls[at]))) : outcomes
  }

  async function putAside(
    outcome: BeeResult | WaggleError,
    call: Parameters<Worker['call']>[1][number] | undefined,
  ): Promise<BeeResult | WaggleError> {
    const signal = call?.signal ?? neverAborted
    try {
      if (!isLarge(outcome, claims) || outcome instanceof WaggleError) return outcome
      if (!(outcome instanceof Answered)) return await claimed(outcome, claims, signal)
      const { answer, published } = outcome
      return new Answered(await claimed(answer, claims, signal), published === null ? null : await claimed(published, claims, signal))
    } catch (thrown) {
      return WaggleError.from('WAGGLE_CLAIM_STORE', thrown, { message: 'A result was not put into the claim store', next: 'Look at the store.' })
    }
  }

  /** Calls the bee with the rows that could be fetched. Every other row gets the error of its fetch. */
  async function fetching(rows: readonly Payload[], calls: Parameters<Worker['call']>[1]): ReturnType<Worker['call']> {
    const giveBack = await claims.room(bytesOf(rows), calls[0]?.signal ?? neverAborted, reader)
    try {
      const fetched = await Promise.all(rows.map((row, at) => fetchedRow(row, claims, calls[at]?.signal ?? neverAborted)))
      const whole = fetched.flatMap((row, at) => (row instanceof WaggleError ? [] : [{ row, call: calls[at] as (typeof calls)[number] }]))
      const outcomes =
        whole.length === 0
          ? []
          : await inline(
              whole.map(({ row }) => row),
              whole.map(({ call }) => call),
            )
      if (outcomes.length !== whole.length) throw wrongLength(outcomes.length, whole.length)
      const left = outcomes[Symbol.iterator]()
      return fetched.map((row) => (row instanceof WaggleError ? row : (left.next().value as BeeResult | WaggleError)))
    } finally {
      giveBack()
    }
  }

  /**
   * Calls the bee once for each run of rows that fits into the room. If the call of a run fails, the rows of this run are tried one by one. The
   * engine would do the same, but with the rows of all runs, so other rows would be called a second time.
   */
  async function inRuns(runs: readonly (readonly Payload[])[], calls: Parameters<Worker['call']>[1]): ReturnType<Worker['call']> {
    const outcomes: (BeeResult | WaggleError)[] = []
    for (const rows of runs) {
      const own = calls.slice(outcomes.length, outcomes.length + rows.length)
      try {
        outcomes.push(...(await fetching(rows, own)))
      } catch (thrown) {
        own[0]?.signal.throwIfAborted()
        if (rows.length > 1) {
          const alone = rows.map((row) => [row])
          outcomes.push(...(await inRuns(alone, own)))
        } else outcomes.push(WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Correct the bee: the cause has its stack.' }))
      }
    }
    return outcomes
  }

  return {
    ...worker,
    call(rows, calls) {
      if (bytesOf(rows) === 0) return inline(rows, calls)
      const runs = runsOf(rows, claims.maxFetchedBytes)
      return runs.length === 1 ? fetching(rows, calls) : inRuns(runs, calls)
    },
  }
}

/** Divides the rows of a batch into runs whose claims have at most this many bytes. A larger row is a run of its own. */
function runsOf(rows: readonly Payload[], maxBytes: number): readonly (readonly Payload[])[] {
  const runs: Payload[][] = []
  let left = -1
  for (const row of rows) {
    const bytes = claimedBytes(row)
    const run = runs.at(-1)
    if (run === undefined || bytes > left) {
      runs.push([row])
      left = maxBytes - bytes
    } else {
      run.push(row)
      left -= bytes
    }
  }
  return runs
}

function bytesOf(rows: readonly Payload[]): number {
  let bytes = 0
  for (const row of rows) bytes += claimedBytes(row)
  return bytes
}

function wrongLength(results: number, rows: number): WaggleError {
  return new WaggleError('WAGGLE_BATCH_LENGTH', {
    message: `The bee gave ${results} results for ${rows} rows`,
    next: 'Return one result for each row, in the order of the rows.',
  })
}

async function fetchedRow(row: Payload, claims: Claims, signal: AbortSignal): Promise<Payload | WaggleError> {
  try {
    return await withoutClaims(row, (claim) => claims.fetch(claim, signal))
  } catch (thrown) {
    return WaggleError.from('WAGGLE_CLAIM_STORE', thrown, { message: 'A payload could not be fetched', next: 'Look at the claim store.' })
  }
}

function isLarge(outcome: BeeResult | WaggleError, { maxInlineBytes }: Claims): boolean {
  if (outcome instanceof WaggleError) return false
  if (!(outcome instanceof Answered)) return isLargerThan(outcome, maxInlineBytes)
  return isLargerThan(outcome.answer, maxInlineBytes) || (outcome.published !== null && isLargerThan(outcome.published, maxInlineBytes))
}

async function claimed(payload: Payload, claims: Claims, signal: AbortSignal): Promise<Payload> {
  if (!isLargerThan(payload, claims.maxInlineBytes)) return payload
  return { kind: 'claim', claim: await claims.put(payloadSerde.serialize('', payload), contentTypeOf(payload), signal) }
}

const neverAborted = new AbortController().signal
