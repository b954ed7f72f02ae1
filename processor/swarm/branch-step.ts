import type { Transform } from '../../topology/operators/transform.ts'
import type { Record } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { Step } from '../../topology/swarm/plan/subtopology-plan.ts'
import { branchesOf, notTaken, withoutBranches } from '../../topology/swarm/request/branches.ts'
import { outputRecord } from './output-record.ts'

/**
 * Forwards the records whose branch leads to this bee. Turns the records of other branches into marks of a branch that was not taken (see `Step`).
 */
export function branchStep({ bee, names, loops }: Extract<Step, { kind: 'branch' }>, children: readonly string[]): Transform {
  const own = new Set(names)
  const dropped = new Set(loops)
  return {
    op: 'transform',
    apply: (given) => {
      const record = given as Record<string, Payload>
      const chosen = branchesOf(record.headers)
      const isMine = chosen?.readers.some((reader) => own.has(reader)) ?? true
      if (!isMine && chosen !== null && dropped.has(chosen.by)) return []
      const isMark = !isMine && record.value.kind !== 'error'
      const next = isMark
        ? outputRecord(
            record,
            notTaken(chosen?.by ?? bee, `${chosen?.by} gave the request to ${chosen?.readers.join(', ')}, and not to ${bee}`),
            null,
          )
        : { ...record, headers: withoutBranches(record.headers) }
      return children.map((child) => ({ record: next, child }))
    },
  }
}
