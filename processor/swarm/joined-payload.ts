import type { BeeRole } from '../../topology/swarm/bee-type.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { isAnsweredMark } from '../../topology/swarm/request/answered.ts'
import { beeError } from '../../topology/swarm/request/bee-error.ts'
import { isNotTaken } from '../../topology/swarm/request/branches.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The input of a step that joins: the parts of its inputs, an error if an input is missing or failed, or the mark of a request that is answered
 * already. A branch that the request did not take is neither missing nor failed. A bee finds the mark of such a branch among its parts, and so learns
 * that the branch was not taken. Any other step gets only the parts of branches that were taken.
 */
export function joinedPayload(
  bee: SwarmBee,
  inputs: readonly { readonly name: string }[],
  parts: ReadonlyMap<string, Payload>,
  missing: readonly string[],
): Payload {
  const answered = [...parts.values()].find(isAnsweredMark)
  if (answered !== undefined) return answered
  if (missing.length > 0 && bee.onTimeout === 'fail') {
    return beeError(joinTimeout(bee, missing), bee.name)
  }
  const ordered = new Map(inputs.flatMap(({ name }) => (parts.has(name) ? [[name, parts.get(name) as Payload] as const] : [])))
  const taken = [...ordered.values()].filter((part) => !isNotTaken(part))
  const [untaken] = ordered.values()
  if (taken.length === 0 && untaken !== undefined) return untaken
  const errors = taken.filter((part) => part.kind === 'error')
  const [first] = errors
  if (first !== undefined && (bee.onError === 'fail' || errors.length === taken.length)) return first
  return { kind: 'joined', parts: givesOn.has(bee.type.role) ? ordered : new Map([...ordered].filter(([, part]) => !isNotTaken(part))) }
}

const givesOn: ReadonlySet<BeeRole> = new Set(['call', 'value'])

export function joinTimeout(bee: SwarmBee, missing: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_JOIN_TIMEOUT', {
    message: `${bee.name} waited in vain for ${missing.join(', ')}`,
    next: 'Raise its timeout_seconds, find out what the others wait for, or set on_timeout: partial.',
  })
}
