import { createHash } from 'node:crypto'
import type { Subtopology } from '../../topology/subtopology.ts'

/** A topology's fingerprint. Members of a group share tasks only if a task means the same to all of them. */
export interface TopologyFingerprint {
  readonly hash: string
  /** The topics and stores of the topology, as text for people. */
  readonly summary: string
}

/** Makes the fingerprint from names and wiring. Functions and models may differ between processes, as in a rolling restart. */
export function fingerprintOf(subtopologies: readonly Subtopology[]): TopologyFingerprint {
  const local = subtopologies.filter(({ isGlobal }) => !isGlobal).toSorted((a, b) => a.id - b.id)
  const wiring = local.map(({ id, nodes, sources, sinks, stores }) => ({
    id,
    nodes: nodes.map((node) => [node.kind, node.name, node.kind === 'source' ? [] : node.parents]),
    sources,
    sinks,
    stores: stores.map(({ kind, name }) => [kind, name]),
  }))
  const stores = local.flatMap((one) => one.stores.map(({ name }) => name))
  const reads = `reads ${shortened(local.flatMap(({ sources }) => sources))}`
  return {
    hash: createHash('sha256').update(JSON.stringify(wiring)).digest('base64url').slice(0, hashCharacters),
    summary: stores.length === 0 ? reads : `${reads} and keeps ${shortened(stores)}`,
  }
}

/** Shortens the text, because every member of the group gets it. */
function shortened(names: readonly string[]): string {
  const all = [...new Set(names)]
  return all.length > named ? `${all.slice(0, named).join(', ')} and ${all.length - named} more` : all.join(', ')
}

const hashCharacters = 12
const named = 8
