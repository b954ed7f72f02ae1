import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import type { LockedWheel } from '../../topology/swarm/ports/python.ts'
import type { LockedRequirements } from './requirements.ts'

/**
 * The requirements that have exactly these wheels. `lock` is the file that they come from. The environment is the same wherever the wheels lie, so
 * their paths are not in its hash.
 */
export function lockedRequirements(lock: string, wheels: readonly LockedWheel[]): LockedRequirements {
  const sorted = [...wheels].sort((a, b) => (a.name < b.name ? -1 : 1))
  const lines = sorted.map(({ name, version, sha256, path }) => {
    const wanted = path === null ? `${name}==${version}` : `${name} @ ${pathToFileURL(path)}`
    return `${wanted} --hash=sha256:${sha256}\n`
  })
  const hash = createHash('sha256').update(sorted.map(({ name, version, sha256 }) => `${name} ${version} ${sha256}\n`).join(''))
  return { file: lock, kind: 'locked', hash: hash.digest('hex'), lines: lines.join('') }
}
