import type { FailureListener } from '../../topology/failed-record.ts'
import type { Transform } from '../../topology/operators/transform.ts'
import type { Record } from '../../topology/record.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { beeError, isFailure } from '../../topology/swarm/request/bee-error.ts'
import { withBranches } from '../../topology/swarm/request/branches.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import { Refused, WaggleError } from '../../topology/waggle-error.ts'
import { failedAt } from './failed-at.ts'
import { outputRecord, synchronousCall } from './output-record.ts'
import { type SynchronousRows, synchronousRows } from './synchronous-meters.ts'
import { SynchronousSpans } from './synchronous-spans.ts'

export interface ValueStepOptions {
  readonly bee: SwarmBee
  readonly host: BeeHost
  /** The bee before this bee in the same sub-topology; null if there is none. */
  readonly before?: string | null
  readonly children: readonly string[]
  readonly deadLetters: string
  readonly onFailure: FailureListener
  readonly onOutput?: (bee: string, output: Payload) => void
  /** The counts of this bee's inputs, for metrics. */
  readonly rows?: SynchronousRows
  readonly spans?: SynchronousSpans
  /** Throws for a result that must not be written to the log. Default: every result may be written. */
  readonly check?: (result: Payload) => void
}

/**
 * A synchronous bee: it computes in the stream thread, without waiting. Error records pass without a call. A failure becomes a dead letter and an error
 * record.
 */
export function valueStep({
  bee,
  host,
  before = null,
  children,
  deadLetters,
  onFailure,
  onOutput = () => {},
  rows = synchronousRows(),
  spans = noSpans,
  check = () => {},
}: ValueStepOptions): Transform {
  const compute = host.valueOf(bee)
  return {
    op: 'transform',
    apply: (given, place, now, taskId) => {
      const record = given as Record<string, Payload>
      if (record.value.kind === 'error') return children.map((child) => ({ record, child }))
      try {
        const { payload, readers } = compute(record.value, { id: record.key, headers: record.headers, place })
        check(payload)
        rows.result++
        if (payload.kind !== 'error') onOutput(bee.name, payload)
        const inSpan = spans.called({ bee, id: record.key, input: record, place, at: now, error: null })
        const made = inSpan(outputRecord(record, payload, synchronousCall(now), before))
        const output = readers === null ? made : { ...made, headers: withBranches(made.headers, { by: bee.name, readers }) }
        return children.map((child) => ({ record: output, child }))
      } catch (thrown) {
        const cause = WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: `Look at what ${bee.name} was given.` })
        const error = beeError(cause, bee.name)
        rows[cause instanceof Refused ? 'refused' : 'failed']++
        onFailure(cause, failedAt(record, bee.name, taskId, place))
        const inSpan = spans.called({ bee, id: record.key, input: record, place, at: now, error: cause })
        const letters = isFailure(error.error) ? [{ record: deadLetter(record, cause, bee.name, { recordMetadata: place }), child: deadLetters }] : []
        return [...letters, ...children.map((child) => ({ record: inSpan(outputRecord(record, error, synchronousCall(now), before)), child }))]
      }
    },
  }
}

const noSpans = new SynchronousSpans('', null)
