import { readBounded } from '../../connectors/system/bounded-file.ts'
import type { BeeCatalog } from '../../topology/swarm/bee-type.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { maxSwarmBytes, SwarmDocument } from '../../topology/swarm/swarm-document.ts'

/** Reads and checks a swarm file. Throws WAGGLE_FILE_NOT_FOUND, or WAGGLE_INVALID_SWARM with every mistake. */
export function readSwarm(file: string, catalog: BeeCatalog): CheckedSwarm {
  const bytes = readBounded(file, { maxBytes: maxSwarmBytes, next: 'Name a swarm file.' })
  return checkSwarm(SwarmDocument.read(bytes, file), catalog)
}
