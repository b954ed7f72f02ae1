import type { ReplicaCounts } from '../../bees/replicas/replicas.ts'
import type { Family } from './exposition.ts'

/** Metrics of the replicas of bees in this process, and of the decisions about their number. */
export function replicaFamilies(bees: readonly ({ readonly swarm: string; readonly bee: string } & ReplicaCounts)[]): readonly Family[] {
  return [
    {
      name: 'waggle_bee_replicas',
      help: 'Containers, processes or threads that do the work of a bee side by side in this process now.',
      type: 'gauge',
      samples: bees.map(({ swarm, bee, replicas }) => ({ labels: { swarm, bee }, value: replicas })),
    },
    {
      name: 'waggle_bee_replica_changes_total',
      help: 'Decisions about the number of replicas: grown, shrunk, taken_back (one more did not help), failed (one more could not be opened).',
      type: 'counter',
      samples: bees.flatMap(({ swarm, bee, changes: { grown, shrunk, takenBack, failed } }) =>
        Object.entries({ grown, shrunk, taken_back: takenBack, failed }).map(([change, value]) => ({ labels: { swarm, bee, change }, value })),
      ),
    },
  ]
}
