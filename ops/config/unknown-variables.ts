import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { settings } from './settings.ts'

type Env = { readonly [variable: string]: string | undefined }

/**
 * Throws WAGGLE_INVALID_CONFIG with a mistake for each WAGGLE_ variable of the environment that is not a setting. A mistake names the most similar
 * setting. Without this check, a misspelt WAGGLE_TOKENS would start a server that needs no tokens.
 */
export function refuseUnknownVariables(env: Env): void {
  const mistakes = unknownVariables(env).map((variable) => mistakeAt(variable, 'the variable is not a setting', hintFor(variable)))
  if (mistakes.length === 0) return
  const { message, place, cause } = invalidSwarm('the environment', mistakes)
  throw new WaggleError('WAGGLE_INVALID_CONFIG', { message, next: allSettings, ...(place === undefined ? {} : { place }), cause })
}

function unknownVariables(env: Env): readonly string[] {
  return Object.keys(env)
    .filter((variable) => variable.startsWith(prefix) && !variable.startsWith(secretPrefix) && !known.has(variable))
    .filter((variable) => !isServiceLink(variable, env[variable] ?? ''))
    .sort()
}

/** The hint for an unknown variable. Names are compared without the common prefix, because the prefix would make all names similar. */
function hintFor(variable: string): string {
  const own = variable.slice(prefix.length)
  const [first = '', ...rest] = own.split('_')
  const asSecret = rest.length === 0 ? [] : [`${secretPrefix}${rest.join('_')}`]
  const candidates = [...known, ...(didYouMean(first, ['SECRET']) === '' ? [] : asSecret)].map((name) => name.slice(prefix.length))
  const hint = didYouMean(own, candidates).replace('mean ', `mean ${prefix}`)
  return hint === '' ? allSettings : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`
}

/**
 * True for a variable that Kubernetes sets itself. Kubernetes sets such variables in every container of a namespace with a service whose name begins
 * with `waggle`.
 */
function isServiceLink(variable: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?$/.test(variable) || (variable.endsWith('_PORT') && /^\w+:\/\//.test(value))
  )
}

const prefix = 'WAGGLE_'
/** The variable with the address of the server for commands. */
export const urlVariable = `${prefix}URL`
const secretPrefix = 'WAGGLE_SECRET_'
const allSettings = '`waggle run --help` lists every setting.'
/** Variables that are not settings: variables for clients, and variables that Waggle sets for bees' processes. A bee's process may run `waggle`. */
const others = ['TOKEN', 'URL', 'PROFILE', 'BEE_SOCKET', 'PROTOCOL', 'SWARM', 'BEE'].map((name) => `${prefix}${name}`)
const known: ReadonlySet<string> = new Set([...settings.map(({ variable }) => variable).filter((variable) => variable.startsWith(prefix)), ...others])
