import { errorPayload } from '../../topology/swarm/bee-error.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload.ts'

/** The input of a bee that joins, or an error where the join cannot give one. */
export function joinedPayload(
  bee: SwarmBee,
  inputs: readonly { readonly name: string }[],
  parts: ReadonlyMap<string, Payload>,
  missing: readonly string[],
): Payload {
  if (missing.length > 0 && bee.onTimeout === 'fail') {
    return errorPayload({ code: 'WAGGLE_JOIN_TIMEOUT', detail: `${bee.name} waited in vain for ${missing.join(', ')}`, bee: bee.name })
  }
  const ordered = new Map(inputs.flatMap(({ name }) => (parts.has(name) ? [[name, parts.get(name) as Payload] as const] : [])))
  const errors = [...ordered.values()].filter((part) => part.kind === 'error')
  const [first] = errors
  if (first !== undefined && (bee.onError === 'fail' || errors.length === ordered.size)) return first
  return { kind: 'joined', parts: ordered }
}
