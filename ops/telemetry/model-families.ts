import type { ModelRow } from '../../topology/swarm/management.ts'
import type { Family } from './exposition.ts'

/** Metrics of the versions of models: the versions in memory, and the number of refusals. */
export function modelFamilies(models: readonly ModelRow[]): readonly Family[] {
  return [
    {
      name: 'waggle_model_version_share',
      help: 'The part of the requests that a loaded version of a model answers, from 0 to 1.',
      type: 'gauge',
      samples: models.flatMap(({ swarm, bee, versions }) =>
        versions.flatMap(({ version, state, share }) =>
          state === 'serving' || state === 'loaded' || state === 'shadow'
            ? [{ labels: { swarm, bee, version: version ?? '' }, value: share / 100 }]
            : [],
        ),
      ),
    },
    {
      name: 'waggle_model_versions_refused_total',
      help: 'Versions of a model that were refused, each try counted.',
      type: 'counter',
      samples: models.map(({ swarm, bee, refused_total: value }) => ({ labels: { swarm, bee }, value })),
    },
  ]
}
