import { beeTopic } from '../../topic-names.ts'
import type { PayloadType } from '../bee-type.ts'
import { readersIn, type SwarmBee } from '../checked-swarm.ts'

/** The topics of bees that make predictions. A bee makes predictions if its type says so, or if it is asynchronous and feeds an ensemble or a database. */
export function predictionTopics(swarm: string, bees: readonly SwarmBee[]): ReadonlySet<string> {
  const readersOf = readersIn(bees)
  return new Set(bees.filter((bee) => isModel(bee, readersOf)).map(({ name }) => beeTopic(swarm, name)))
}

function isModel({ name, type }: SwarmBee, readersOf: (name: string) => readonly SwarmBee[]): boolean {
  if (type.role !== 'call') return false
  if (type.output !== null) return saysPredictions(type.output)
  return readersOf(name).some(({ type: { role } }) => role === 'value' || role === 'sink')
}

function saysPredictions(output: PayloadType): boolean {
  return 'properties' in output && ['label', 'scores'].every((word) => word in (output.properties as object))
}
