import { Type } from 'typebox'
import { ownMember } from '../../topology/own-member.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import type { FoundVersion } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The settings of a model's versions, which all bees with a model share. */
export const versionSpec = {
  version: Type.Optional(Type.Integer({ minimum: 0, description: 'The only version to load, in a folder of numbered ones. Default: the highest.' })),
  versions: Type.Optional(
    Type.Unsafe<NonNullable<VersionSpec['versions']>>({
      default: { latest: 1 },
      description: 'The versions to load from a folder of numbered ones: {latest: n}, {specific: [n, …]} or all.',
      // With if/then/else, the message names a mistake inside the map. With anyOf, the message would only say that neither form fits.
      if: { type: 'string' },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: Type.Enum(['all']),
      else: Type.Object(
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
    }),
  ),
  traffic: Type.Optional(
    Type.Record(Type.String(), Type.Number({ minimum: 0 }), {
      minProperties: 1,
      description: 'The parts of the requests by the name or number of a version, such as {stable: 95, canary: 5}.',
    }),
  ),
  follow: Type.Optional(
    Type.String({ minLength: 1, description: 'A bee with traffic: a request has the same side here as there. Each side needs a name in versions.' }),
  ),
  shadow: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      description:
        'The name or number of a version that computes a second opinion after the answer. It is saved as a row of its own, by NAME-shadow, and dropped under load.',
    }),
  ),
} as const

export interface VersionSpec {
  readonly shadow?: string | number
  readonly traffic?: { readonly [side: string]: number }
  readonly follow?: string
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

/** The versions that a bee loads: all required versions, and the versions that the policy chooses, without the shadow's version. */
export type VersionPolicy = { readonly required: readonly number[]; readonly shadow: number | null } & (
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly number[] }
)

/**
 * The policy that a spec names, in the words of TensorFlow Serving. `sides` are the versions that share the requests. If the spec names no policy,
 * only the sides are loaded. Throws WAGGLE_MODEL_VERSIONS if a spec names two policies.
 */
export function versionPolicy(spec: VersionSpec, sides: readonly number[] = []): VersionPolicy {
  const { version, versions } = spec
  if (version !== undefined && versions !== undefined) throw versionMistake('version and versions are both set', 'Leave one of them out.', 'versions')
  const { latest, all = false, specific } = typeof versions === 'object' ? versions : { all: versions === 'all' }
  const named = [...(latest === undefined ? [] : ['latest']), ...(all ? ['all'] : []), ...(specific === undefined ? [] : ['specific'])]
  if (named.length > 1) throw versionMistake(`versions has ${named.join(' and ')}`, 'Set one of them.', 'versions')
  const shadow = spec.shadow === undefined ? null : versionOf(spec, String(spec.shadow), 'shadow')
  const chosen = version === undefined ? specific : [version]
  if (chosen !== undefined) {
    const answering = chosen.filter((one) => one !== shadow)
    if (answering.length + sides.length === 0) throw versionMistake('The shadow is the only version', 'Name another one to answer.', 'shadow')
    return { kind: 'specific', versions: answering, required: [...answering, ...sides], shadow }
  }
  if (all) return { kind: 'all', required: sides, shadow }
  if (latest !== undefined || sides.length === 0) return { kind: 'latest', count: latest ?? 1, required: sides, shadow }
  return { kind: 'specific', versions: [], required: sides, shadow }
}

/** The spec of the shadow bee; null if the spec has no shadow. */
export function shadowSpec<S extends VersionSpec>(spec: S): S | null {
  const { shadow, traffic: _, follow: __, version: ___, versions: ____, ...others } = spec
  if (shadow === undefined) return null
  try {
    return { ...(others as S), version: versionOf(spec, String(shadow), 'shadow') }
  } catch {
    // The version of the shadow is wrong. The check of the bee reports it.
    return null
  }
}

/**
 * The number of versions that compute at the same time, which are the versions that share the requests. A shadow is not counted, because it computes
 * while its bee is idle.
 */
export function versionsAtOnce({ traffic, follow }: VersionSpec): number {
  return traffic === undefined ? (follow === undefined ? 1 : 2) : Math.max(1, Object.keys(traffic).length)
}

/** The numbers of the versions that a policy wants, in ascending order. A required version is wanted even if it does not exist. */
export function wantedVersions(policy: VersionPolicy, found: readonly Pick<FoundVersion, 'version'>[]): readonly number[] {
  const versions = found.map(({ version }) => version).filter((version) => version !== policy.shadow)
  const chosen = policy.kind === 'specific' ? policy.versions : policy.kind === 'all' ? versions : versions.slice(-policy.count)
  return [...new Set([...chosen, ...policy.required])].toSorted((a, b) => a - b)
}

/**
 * The number of the version with this name or number. `setting` is the key of the spec that contains the name. Throws WAGGLE_MODEL_VERSIONS for an
 * unknown name.
 */
export function versionOf(spec: VersionSpec, name: string, setting: string): number {
  const names = versionNames(spec)
  const version = ownMember(names, name) ?? (/^\d{1,15}$/.test(name) ? Number(name) : undefined)
  if (version !== undefined) return version
  const hint = didYouMean(name, Object.keys(names))
  throw versionMistake(
    `${setting} has ${name}, which is neither the number nor the name of a version`,
    hint === '' ? `Give the name a number: versions: {names: {${name}: 1}}.` : hint,
    setting,
  )
}

/** The names that a spec gives to versions. */
export function versionNames({ versions }: VersionSpec): { readonly [name: string]: number } {
  return typeof versions === 'object' ? (versions.names ?? {}) : {}
}

/** The error for a wrong setting of versions. `setting` is the key of the spec that must be corrected. */
export function versionMistake(message: string, next: string, setting: string): VersionMistake {
  return new VersionMistake(message, next, setting)
}

/** A mistake in the settings for versions. `setting` is the key that must be corrected. */
export class VersionMistake extends WaggleError {
  readonly setting: string

  constructor(message: string, next: string, setting: string) {
    super('WAGGLE_MODEL_VERSIONS', { message, next })
    this.setting = setting
  }
}
