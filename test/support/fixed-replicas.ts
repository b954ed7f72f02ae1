import type { BeeContext } from '../../bees/define-bee.ts'
import { BeeReplicas } from '../../bees/replicas/bee-replicas.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

/** The `replicate` of a bee with this number of replicas. */
export function fixedReplicas(count: number): BeeContext<never>['replicate'] {
  const replicas = new BeeReplicas(
    { name: 'work', replicas: count, maxReplicas: count },
    { least: 1, now: () => systemClock.now(), after: (ms, act) => systemClock.after(ms, act), log: () => {} },
  )
  return (open) => replicas.open(open)
}
