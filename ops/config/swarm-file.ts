import { readFileSync } from 'node:fs'
import type { BeeCatalog } from '../../topology/swarm/bee-type.ts'
import { checkSwarm } from '../../topology/swarm/check.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { SwarmDocument } from '../../topology/swarm/document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Reads and checks a swarm file: WAGGLE_FILE_NOT_FOUND, or WAGGLE_INVALID_SWARM with every mistake. */
export function readSwarm(file: string, catalog: BeeCatalog): CheckedSwarm {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: code === 'EISDIR' ? `${file} is a directory` : `${file} cannot be read (${code})`,
      next: 'Name a swarm file.',
      place: `${file}:1:1`,
      cause,
    })
  }
  return checkSwarm(SwarmDocument.parse(text, file), catalog)
}
