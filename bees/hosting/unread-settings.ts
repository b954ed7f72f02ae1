import type { CheckedSwarm, SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { mistakeAt } from '../../topology/swarm/swarm-document.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { BesideSpec } from '../define-bee.ts'
import type { BeeRegistry } from '../registry.ts'

/** A warning, with its place, for each setting outside a spec that has no effect on its bee. */
export function unreadSettings(
  { bees, document }: CheckedSwarm,
  registry: BeeRegistry,
): readonly { readonly bee: string; readonly warning: WaggleError }[] {
  return bees.flatMap((bee, at) => {
    const { name, type, spec, gpu, replicas, maxReplicas } = bee
    const definition = registry.find(type.type)?.definition
    const reads = definition?.uses ?? usesByRole(type.role)
    const set = { gpu: gpu > 0, replicas: replicas > 1, max_replicas: maxReplicas > replicas }
    const warning = (key: BesideSpec, message: string, next: string) => ({
      bee: name,
      warning: mistakeAt(document.place(['bees', at, key]), message, next),
    })
    const unread = besideSpec
      .filter((key) => set[key] && !reads.includes(key))
      .map((key) => warning(key, `${key} has no effect on ${name}: a bee of type ${type.type} does not read it`, `Remove ${key}.`))
    const least = definition?.leastReplicas?.(spec as never) ?? 1
    if (!reads.includes('max_replicas') || least <= maxReplicas || !document.has(['bees', at, 'max_replicas'])) return unread
    return [
      ...unread,
      warning(
        'max_replicas',
        `max_replicas ${maxReplicas} has no effect on ${name}, whose spec asks for ${least}`,
        `Raise it, or let the spec ask for fewer.`,
      ),
    ]
  })
}

/** The settings that bees of a role can use. Only bees of the roles `call` and `sink` can have several calls in flight. */
function usesByRole(role: SwarmBee['type']['role']): readonly BesideSpec[] {
  return role === 'call' ? besideSpec : role === 'sink' ? ['replicas'] : []
}

const besideSpec: readonly BesideSpec[] = ['gpu', 'replicas', 'max_replicas']
