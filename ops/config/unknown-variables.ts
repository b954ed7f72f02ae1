import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { invalidSwarm, mistakeAt } from '../../topology/swarm/document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { settings } from './settings.ts'

type Env = { readonly [variable: string]: string | undefined }

/**
 * Throws WAGGLE_INVALID_CONFIG with a mistake for each WAGGLE_ variable of the environment that nothing reads, and the most similar name. A misspelt
 * WAGGLE_TOKENS would otherwise start a server that is open.
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

/** Compares names without their common prefix, which would make all of them similar. */
function hintFor(variable: string): string {
  const own = variable.slice(prefix.length)
  const [first = '', ...rest] = own.split('_')
  const asSecret = rest.length === 0 ? [] : [`${secretPrefix}${rest.join('_')}`]
  const candidates = [...known, ...(didYouMean(first, ['SECRET']) === '' ? [] : asSecret)].map((name) => name.slice(prefix.length))
  const hint = didYouMean(own, candidates).replace('mean ', `mean ${prefix}`)
  return hint === '' ? allSettings : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`
}

/** Kubernetes sets such variables in every container beside a service whose name begins with `waggle`. */
function isServiceLink(variable: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?$/.test(variable) || (variable.endsWith('_PORT') && /^\w+:\/\//.test(value))
  )
}

const prefix = 'WAGGLE_'
/** The variable with the address of the server that commands talk to. */
export const urlVariable = `${prefix}URL`
const secretPrefix = 'WAGGLE_SECRET_'
const allSettings = '`waggle run --help` lists every setting.'
/** Variables of clients, and those that Waggle sets for the processes of bees, which may run `waggle` in turn. */
const others = ['TOKEN', 'URL', 'BEE_SOCKET', 'PROTOCOL', 'SWARM', 'BEE'].map((name) => `${prefix}${name}`)
const known: ReadonlySet<string> = new Set([...settings.map(({ variable }) => variable).filter((variable) => variable.startsWith(prefix)), ...others])
