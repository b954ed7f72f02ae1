import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { shareOf } from '../hash-share.ts'
import { type VersionSpec, versionMistake, versionOf } from '../model/version-spec.ts'

/** The versions that share the requests of a bee. */
export interface Traffic {
  /** The versions with their shares, in the order of their names. The shares add up to 1. */
  readonly sides: readonly { readonly name: string; readonly version: number; readonly share: number }[]
  /**
   * The version that computes a request. The version is the same for every call and in every process. A bee that follows another bee puts a request
   * on the same side as the followed bee.
   */
  versionOf(requestId: string): number
}

export interface TrafficOptions {
  readonly swarm: string
  readonly bee: string
  readonly spec: VersionSpec
  /** The specs of all bees of the swarm. */
  readonly specs: ReadonlyMap<string, VersionSpec>
}

/**
 * The traffic of a bee: from `traffic` in its spec, or from the bee that the spec follows; null if the spec has neither. Throws WAGGLE_MODEL_VERSIONS
 * if the followed bee does not exist or splits no traffic, for bees that follow each other, and for a side without a version.
 */
export function trafficOf({ swarm, bee, spec, specs }: TrafficOptions): Traffic | null {
  if (spec.traffic !== undefined && spec.follow !== undefined)
    throw versionMistake('traffic and follow are both set', 'Leave one of them out: follow takes the sides of another bee.', 'follow')
  const leader = spec.follow === undefined ? { bee, spec } : leaderOf(bee, spec.follow, specs)
  const { traffic } = leader.spec
  if (traffic === undefined) return null
  const total = Object.values(traffic).reduce((sum, part) => sum + part, 0)
  if (total === 0) throw versionMistake('Every part of traffic is 0', 'Give one version a part above 0.', 'traffic')
  const names = Object.keys(traffic).toSorted()
  const sides = names.map((name) => ({
    name,
    version: versionOf(spec, name, spec.follow === undefined ? 'traffic' : 'follow'),
    share: (traffic[name] ?? 0) / total,
  }))
  return {
    sides,
    versionOf(requestId) {
      let left = shareOf(`${swarm}/${leader.bee}/${requestId}`)
      for (const { version, share } of sides) {
        if (left < share) return version
        left -= share
      }
      // The sum of the shares may be slightly below 1.
      return sides.findLast(({ share }) => share > 0)?.version ?? 0
    },
  }
}

/** The bee that splits the traffic. The followed bee may itself follow another bee. */
function leaderOf(bee: string, followed: string, specs: TrafficOptions['specs']): { readonly bee: string; readonly spec: VersionSpec } {
  const seen = new Set([bee])
  for (let name = followed; ; ) {
    if (seen.has(name)) throw versionMistake(`${bee} follows itself, through ${[...seen].join(', ')}`, 'Let one of them split the traffic.', 'follow')
    seen.add(name)
    const spec = specs.get(name)
    if (spec === undefined) {
      const hint = didYouMean(name, [...specs.keys()])
      throw versionMistake(`There is no bee ${name} to follow`, hint === '' ? 'Name a bee of this swarm that has traffic.' : hint, 'follow')
    }
    if (spec.follow === undefined) {
      if (spec.traffic === undefined)
        throw versionMistake(`${name} splits no traffic, so it cannot be followed`, `Set traffic in ${name}, or leave follow out.`, 'follow')
      return { bee: name, spec }
    }
    name = spec.follow
  }
}
