import type { ReplicaCounts } from '../../bees/replicas/replicas.ts'
import type { Family } from './exposition.ts'
import { family } from './metric-table.ts'

/** Metrics of the replicas of bees in this process, and of the decisions about their number. */
export function replicaFamilies(bees: readonly ({ readonly swarm: string; readonly bee: string } & ReplicaCounts)[]): readonly Family[] {
  return [
    family(
      'waggle_bee_replicas',
      bees.map(({ swarm, bee, replicas }) => ({ labels: { swarm, bee }, value: replicas })),
    ),
    family(
      'waggle_bee_replica_changes_total',
      bees.flatMap(({ swarm, bee, changes: { grown, shrunk, takenBack, failed } }) =>
        Object.entries({ grown, shrunk, taken_back: takenBack, failed }).map(([change, value]) => ({ labels: { swarm, bee, change }, value })),
      ),
    ),
  ]
}
