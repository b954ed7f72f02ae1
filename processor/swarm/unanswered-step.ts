import type { Transform } from '../../topology/operators/transform.ts'
import { type Record, textHeader } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Step } from '../../topology/swarm/plan/subtopology-plan.ts'
import { isAnswered } from '../../topology/swarm/request/answered.ts'
import { branchesOf, notTaken } from '../../topology/swarm/request/branches.ts'
import { unansweredHeader } from '../../topology/swarm/request/headers.ts'
import { outputRecord } from './output-record.ts'

/**
 * Tells the ledger of each record that a bee forwards without having answered the caller. The step is for a bee that may answer by itself, and from
 * which no way leads to the respond bee. A record that a loop or a cache sends round once more is left out.
 */
export function unansweredStep({ bee, isStack, body }: Extract<Step, { kind: 'unanswered' }>, children: readonly string[]): Transform {
  const rounds = new Set(body)
  return {
    op: 'transform',
    apply: (given, place) => {
      const record = given as Record<string, Payload>
      const chosen = branchesOf(record.headers)
      const isRound = chosen !== null && chosen.by === bee && chosen.readers.some((reader) => rounds.has(reader))
      if (isRound || isAnswered(record)) return []
      const value = record.value.kind === 'error' ? record.value : notTaken(bee, `${bee} has not answered the request`)
      const next = outputRecord(record, value, null)
      const way = isStack ? `${bee} ${place?.topic ?? ''}` : bee
      const message = { ...next, headers: [...next.headers, textHeader(unansweredHeader, way)] }
      return children.map((child) => ({ record: message, child }))
    },
  }
}
