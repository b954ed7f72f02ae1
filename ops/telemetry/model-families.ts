import type { ModelRow } from '../../topology/swarm/log-management.ts'
import type { Family } from './exposition.ts'
import { family } from './metric-table.ts'

/** Metrics of the versions of models: the versions in memory, and the number of refusals. */
export function modelFamilies(models: readonly ModelRow[]): readonly Family[] {
  return [
    family(
      'waggle_model_version_share',
      models.flatMap(({ swarm, bee, versions }) =>
        versions.flatMap(({ version, state, share }) =>
          state === 'serving' || state === 'loaded' || state === 'shadow'
            ? [{ labels: { swarm, bee, version: version ?? '' }, value: share / 100 }]
            : [],
        ),
      ),
    ),
    family(
      'waggle_model_versions_refused_total',
      models.map(({ swarm, bee, refused_total: value }) => ({ labels: { swarm, bee }, value })),
    ),
  ]
}
