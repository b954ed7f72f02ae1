import type { BeeError } from '../../../topology/swarm/payload/payload.ts'
import { type Problem, problemOfBee } from '../http/problem.ts'

/** The error of a call whose request a bee failed or refused. */
export class BeeFailure extends Error {
  readonly problem: Problem

  constructor(error: BeeError, requestId: string) {
    super(error.detail)
    this.problem = problemOfBee(error, requestId)
  }
}
