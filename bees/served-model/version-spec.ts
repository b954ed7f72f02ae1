import { Type } from 'typebox'
import type { FoundVersion } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The settings of a model's versions, which all bees with a model share. */
export const versionSpec = {
  version: Type.Optional(Type.Integer({ minimum: 0, description: 'The only version to load, in a folder of numbered ones. Default: the highest.' })),
  versions: Type.Optional(
    Type.Union(
      [
        Type.Literal('all'),
        Type.Object(
          {
            latest: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'The number of versions, counted from the highest.' })),
            all: Type.Optional(Type.Boolean({ description: 'true: every version.' })),
            specific: Type.Optional(
              Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1, maxItems: 100, description: 'The numbers of the versions.' }),
            ),
            names: Type.Optional(
              Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'Names of versions, such as {stable: 3, canary: 4}.' }),
            ),
          },
          { additionalProperties: false },
        ),
      ],
      { description: 'The versions to load from a folder of numbered ones: {latest: n}, {specific: [n, …]} or all. Default: {latest: 1}.' },
    ),
  ),
} as const

export interface VersionSpec {
  readonly version?: number
  readonly versions?:
    | 'all'
    | {
        readonly latest?: number
        readonly all?: boolean
        readonly specific?: readonly number[]
        readonly names?: { readonly [name: string]: number }
      }
}

/** The versions that a bee loads. */
export type VersionPolicy =
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly number[] }

/** The policy that a spec names, in the words of TensorFlow Serving. Throws WAGGLE_MODEL_VERSIONS if it names two. */
export function versionPolicy({ version, versions }: VersionSpec): VersionPolicy {
  if (version !== undefined && versions !== undefined) throw versionMistake('version and versions are both set', 'Leave one of them out.')
  if (version !== undefined) return { kind: 'specific', versions: [version] }
  if (versions === 'all') return { kind: 'all' }
  const { latest, all = false, specific } = versions ?? {}
  const named = [...(latest === undefined ? [] : ['latest']), ...(all ? ['all'] : []), ...(specific === undefined ? [] : ['specific'])]
  if (named.length > 1) throw versionMistake(`versions has ${named.join(' and ')}`, 'Set one of them.')
  if (all) return { kind: 'all' }
  return specific === undefined ? { kind: 'latest', count: latest ?? 1 } : { kind: 'specific', versions: specific }
}

/** The numbers of the versions that a policy wants of those that exist, in ascending order. A specific version is wanted though it does not exist. */
export function wantedVersions(policy: VersionPolicy, found: readonly Pick<FoundVersion, 'version'>[]): readonly number[] {
  const versions = found.map(({ version }) => version)
  if (policy.kind === 'all') return versions
  return policy.kind === 'latest' ? versions.slice(-policy.count) : [...new Set(policy.versions)].toSorted((a, b) => a - b)
}

export function versionMistake(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_VERSIONS', { message, next })
}
