import type { BeeError } from '../../../topology/swarm/payload/payload.ts'
import { type Problem, problemOfBee } from '../http/problem.ts'

/** A request that a bee failed or refused, as an error of its call. */
export class BeeFailure extends Error {
  readonly problem: Problem

  constructor(error: BeeError, requestId: string) {
    super(error.detail)
    this.problem = problemOfBee(error, requestId)
  }
}
