import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm } from '../beekeeper/running-swarm.ts'
import { hiddenValues } from '../config/hidden-values.ts'

export function noSuchSwarm(name: string, names: readonly string[]): WaggleError {
  const next = names.length === 0 ? 'Create the swarm with `waggle swarms create FILE`.' : `Use one of: ${names.slice(0, maxNames).join(', ')}.`
  return new WaggleError('WAGGLE_UNKNOWN_SWARM', { message: `There is no swarm ${name}`, next })
}

export function unknownBee(swarm: string, bee: string, names: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_BEE', { message: `The swarm ${swarm} has no bee ${bee}`, next: `Use one of: ${names.join(', ')}.` })
}

export function unknownVersion(swarm: string, version: number | null, versions: readonly number[]): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_VERSION', {
    message: version === null ? `The swarm ${swarm} has no earlier version` : `The swarm ${swarm} has no version ${version}`,
    next: `The kept versions are ${versions.join(', ')}.`,
  })
}

export function swarmExists(name: string): WaggleError {
  return new WaggleError('WAGGLE_SWARM_EXISTS', {
    message: `There is a swarm named ${name}`,
    next: 'Update that swarm with `waggle swarms apply -f FILE`, or give the new swarm another name.',
  })
}

export function otherWasFaster(swarm: string): WaggleError {
  return new WaggleError('WAGGLE_SWARM_BUSY', {
    message: `Another server changes ${swarm}, or was faster`,
    next: 'See the state of the swarm with `waggle swarms get`, and send the change again.',
  })
}

export function fixed(name: string | null): WaggleError {
  return new WaggleError('WAGGLE_SWARM_FIXED', {
    message: name === null ? 'This process runs only the swarm files that it was given' : `${name} is a swarm of a file that the process was given`,
    next: 'Start `waggle serve` for swarms that come and go.',
  })
}

/** Throws WAGGLE_UPDATE_NEEDS_ACCEPT if an update has effects that need `accept`. */
export function expectNoNeeds(name: string, needs: readonly string[]): void {
  if (needs.length === 0) return
  throw new WaggleError('WAGGLE_UPDATE_NEEDS_ACCEPT', {
    message: `The update of ${name} has effects that may not be wanted: ${needs.join('; ')}`,
    next: 'Say `--accept` if that is what you want.',
  })
}

/** The effect of a roll-back to a version whose files of code have changed since. */
export function filesDiffer(version: number, files: readonly string[]): string {
  return `version ${version} ran other files, and only its text comes back: ${shownNames(files)} changed since (bring them back first, such as with git checkout)`
}

/** The error of a server whose files of code differ from those of the server that changes the swarm. */
export function otherFiles(swarm: string, files: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_SWARM_NOT_STARTED', {
    message: `${swarm} does not start: files of code differ from those of the server that changes it: ${shownNames(files)}`,
    next: 'Give all servers the same files, and apply the swarm again.',
  })
}

/** The first names of a list. */
export function shownNames(names: readonly string[]): string {
  const more = names.length - maxNames
  return `${names.slice(0, maxNames).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** The error for a definition whose name differs from the name in the address. */
export function otherName({ document, name }: CheckedSwarm, wanted: string): WaggleError {
  return invalidSwarm(document.file, [
    mistakeAt(document.place(['name']), `this is the swarm ${name}, and not ${wanted}`, `Send it as ${name}, or write name: ${wanted}.`),
  ])
}

/** The error of a swarm that did not start, without the swarm's secrets. Errors of the definition are returned unchanged. */
export function notStarted({ swarm, config }: ConfiguredSwarm, thrown: unknown): WaggleError {
  const hidden = new Redaction(hiddenValues(config)).error(thrown)
  const error = WaggleError.from('WAGGLE_INTERNAL', hidden, { next: 'See the log of the server.' })
  if (ofDefinition.has(error.code)) return error
  const { message, next, place } = error
  const at = place === undefined ? '' : ` (${place})`
  return new WaggleError('WAGGLE_SWARM_NOT_STARTED', { message: `${swarm.name} does not start: ${message}${at}`, next, cause: error })
}

const ofDefinition: ReadonlySet<string> = new Set([
  'WAGGLE_INVALID_SWARM',
  'WAGGLE_OUTSIDE_DIRECTORY',
  'WAGGLE_SWARM_NOT_STARTED',
  'WAGGLE_UPDATE_NEEDS_ACCEPT',
  'WAGGLE_UPDATE_TIMEOUT',
  'WAGGLE_STOPPING',
])
const maxNames = 20
