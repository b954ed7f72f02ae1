import { shownMistake } from '../../topology/swarm/shown-mistakes.ts'
import type { SwarmFindings, SwarmText } from '../../topology/swarm/swarm-management.ts'
import { checkedSource } from '../swarms/checked-source.ts'
import { LocalPrograms } from '../swarms/local-programs.ts'
import { configuredText, type ServerPlace } from './configured-text.ts'

/** Checks the text of a swarm, as `waggle validate` does, with the models, modules and programs of this machine. */
export async function findingsOf(text: SwarmText, place: ServerPlace): Promise<SwarmFindings> {
  const { swarm, warnings } = await checkedSource(configuredText(text, place), { programs: new LocalPrograms() })
  return { name: swarm.name, bees: swarm.bees.length, warnings: warnings.map(shownMistake) }
}
