import type { CheckedBees } from '../../bees/hosting/check-bees.ts'
import { type CheckedSource, checkedSource } from '../swarms/checked-source.ts'
import { sourceOfFile } from '../swarms/swarm-source.ts'
import { terminalText } from './terminal-text.ts'

/** Reads a swarm file, and checks it with the models, modules and programs that it names. The result and the errors contain no secrets. */
export async function checkedSwarm(file: string, options: Parameters<typeof checkedSource>[1]): Promise<CheckedSource> {
  return checkedSource(sourceOfFile(file), options)
}

/**
 * A line for each bee with findings, such as a model's inputs and outputs. The names in a model's file may contain any characters, so the lines are
 * made safe for a terminal.
 */
export function foundLines(found: CheckedBees['found']): string {
  return [...found].map(([bee, { summary }]) => (summary === undefined ? '' : `  ${bee} ${terminalText(summary.replaceAll('\n', '\\n'))}\n`)).join('')
}

/** `{ models: { bee: signature } }` for the models of a swarm; an empty object if the swarm has no models. */
export function signaturesOf(found: CheckedBees['found']): { readonly models?: { readonly [bee: string]: object } } {
  const known = [...found].flatMap(([bee, { signature }]) => (signature === undefined ? [] : [[bee, signature] as const]))
  return known.length === 0 ? {} : { models: Object.fromEntries(known) }
}
