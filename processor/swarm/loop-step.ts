import type { FailureListener } from '../../topology/failed-record.ts'
import type { Transform } from '../../topology/operators/transform.ts'
import type { Record } from '../../topology/record.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { beeError, isFailure } from '../../topology/swarm/request/bee-error.ts'
import { withBranches } from '../../topology/swarm/request/branches.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import { roundIn, withRound } from '../../topology/swarm/request/rounds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { failedAt } from './failed-at.ts'
import { outputRecord, synchronousCall } from './output-record.ts'
import type { SynchronousSpans } from './synchronous-spans.ts'

export interface LoopStepOptions {
  readonly bee: SwarmBee
  readonly host: BeeHost
  readonly body: readonly string[]
  readonly exits: readonly string[]
  readonly children: readonly string[]
  readonly deadLetters: string
  readonly onFailure: FailureListener
  readonly onOutput: (bee: string, output: Payload) => void
  readonly spans: SynchronousSpans
}

/**
 * The head of a loop of bees. The round of a request is a header of its record. So a loop needs no state, and a record that is read again is in the
 * same round. A request leaves the loop exactly once: with its last result, with an error, or as not taken.
 */
export function loopStep({ bee, host, body, exits, children, deadLetters, onFailure, onOutput, spans }: LoopStepOptions): Transform {
  const compute = host.valueOf(bee)
  const maxRounds = Number(bee.spec.max_rounds)
  const failsAtLimit = bee.spec.on_limit === 'fail'
  return {
    op: 'transform',
    apply: (given, place, now, taskId) => {
      const record = given as Record<string, Payload>
      const round = roundIn(record.headers, bee.name) ?? 0
      const to = (value: Payload, readers: readonly string[], next: number | null, cause: WaggleError | null = null) => {
        if (value.kind !== 'error') onOutput(bee.name, value)
        const isCall = value.kind !== 'error' || cause !== null
        const inSpan = isCall ? spans.called({ bee, id: record.key, input: record, place, at: now, error: cause }) : unchanged
        const made = inSpan(outputRecord(record, value, synchronousCall(now)))
        const headers = withBranches(withRound(made.headers, bee.name, next), { by: bee.name, readers })
        return children.map((child) => ({ record: { ...made, headers }, child }))
      }
      if (record.value.kind === 'error') return to(record.value, exits, null)
      try {
        const { payload, readers } = compute(record.value, { id: record.key, headers: record.headers, place })
        if (readers === null) return to(payload, exits, null)
        if (round < maxRounds) return to(payload, body, round + 1)
        if (failsAtLimit) throw tooManyRounds(bee.name, maxRounds)
        return to(payload, exits, null)
      } catch (thrown) {
        const cause = WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: `Look at what ${bee.name} was given.` })
        const error = beeError(cause, bee.name)
        onFailure(cause, failedAt(record, bee.name, taskId, place))
        const letters = isFailure(error.error) ? [{ record: deadLetter(record, cause, bee.name, { recordMetadata: place }), child: deadLetters }] : []
        return [...letters, ...to(error, exits, null, cause)]
      }
    },
  }
}

const unchanged = <T>(record: T): T => record

function tooManyRounds(bee: string, rounds: number): WaggleError {
  return new WaggleError('WAGGLE_MAX_ROUNDS', {
    message: `${bee} sent the request round ${rounds} times, and its condition still holds`,
    next: 'Raise max_rounds, or take the last result with on_limit: pass.',
  })
}
