import type { AsyncWorker } from '../../topology/async-step.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import type { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RunningModel } from '../define-bee.ts'

export interface HostRedactions {
  /** Hides secrets in errors, because callers, dead letters, logs and the console show errors. */
  readonly errors: Redaction
  /** Hides the secrets of a bee in its results; null for a bee that has no secrets. */
  readonly resultsOf: (bee: SwarmBee) => Redaction | null
}

/** A host whose errors and results contain no secrets. */
export function redactedHost(host: BeeHost, { errors: redaction, resultsOf }: HostRedactions): BeeHost {
  return {
    open: async (bee, batchSize) =>
      redactedWorker(await redactingErrors(redaction, () => host.open(bee, batchSize)), { errors: redaction, results: resultsOf(bee) }),
    valueOf: (bee: SwarmBee) => {
      const compute = host.valueOf(bee)
      const results = resultsOf(bee)
      return (input, request) => {
        const value = redactingErrorsNow(redaction, () => compute(input, request))
        // An input that a bee passes on unchanged contains no secret of the bee's spec.
        return results === null || value.payload === input ? value : { ...value, payload: results.payload(value.payload) }
      }
    },
    streamOf: (bee) => {
      const stream = redactingErrorsNow(redaction, () => host.streamOf(bee))
      const results = resultsOf(bee)
      return {
        connect: (input, builder) => redactingErrorsNow(redaction, () => stream.connect(input, builder)),
        inputOf: (payload) => stream.inputOf(payload),
        payloadOf: (output) => {
          const payload = redactingErrorsNow(redaction, () => stream.payloadOf(output))
          return results?.payload(payload) ?? payload
        },
      }
    },
    replicasOf: (bee) => host.replicasOf?.(bee) ?? bee.replicas,
    batchOf: (bee) => host.batchOf(bee),
    ...(host.recordsSpans === undefined ? {} : { recordsSpans: host.recordsSpans }),
  }
}

/** A model whose state contains no secrets. The address of a model may contain secrets, and an error may quote the address. */
export function redactedModel(model: RunningModel, redaction: Redaction): RunningModel {
  return {
    get state() {
      const { versions, ...state } = model.state
      return {
        ...redaction.fields(state),
        versions: versions.map((version) => ({ ...version, error: version.error === null ? null : redaction.fields(version.error) })),
      }
    },
    reload: () => redactingErrors(redaction, () => model.reload()),
  }
}

type Worker = AsyncWorker<string, Payload, Payload, BeeResult>

function redactedWorker(worker: Worker, { errors, results }: { readonly errors: Redaction; readonly results: Redaction | null }): Worker {
  return {
    ...worker,
    async call(rows, calls) {
      let outcomes: Awaited<ReturnType<Worker['call']>>
      try {
        outcomes = await worker.call(rows, calls)
      } catch (thrown) {
        throw errors.error(thrown)
      }
      if (results === null && !outcomes.some((outcome) => outcome instanceof WaggleError)) return outcomes
      return outcomes.map((outcome) => {
        if (outcome instanceof WaggleError) return redactedError(outcome, errors)
        if (results === null) return outcome
        return outcome instanceof Answered ? outcome.mapped((payload) => results.payload(payload)) : results.payload(outcome)
      })
    },
  }
}

function redactedError(error: WaggleError, redaction: Redaction): WaggleError {
  const redacted = redaction.error(error)
  return redacted instanceof WaggleError ? redacted : error
}

async function redactingErrors<T>(redaction: Redaction, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (thrown) {
    throw redaction.error(thrown)
  }
}

function redactingErrorsNow<T>(redaction: Redaction, act: () => T): T {
  try {
    return act()
  } catch (thrown) {
    throw redaction.error(thrown)
  }
}
