import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'

/** The client id of Waggle. The library begins its error messages with this id. */
export const registryClientId = 'waggle'

/** A refusal of a request by a registry, or its failure on the way. */
export interface Refusal {
  /** The registry's HTTP status; null if the registry itself did not refuse the request. */
  readonly status: number | null
  readonly said: string
  /** Makes the error. `what` is a sentence without its full stop, and says what failed. */
  error(what: string): WaggleError
}

export function refusalOf(thrown: unknown, url: string): Refusal {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const status = typeof thrown === 'object' && thrown !== null && 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : null
  const said = text.replace(new RegExp(`^${registryClientId} - `), '')
  if (thrown instanceof WaggleError) return { status: null, said, error: () => thrown }
  if (status === null) return { status, said, error: (what) => refused(what, said, thrown) }
  // A registry always gives a reason. An error without a reason means that the server at the address is not a registry, or cannot be reached.
  const silent = /^Error, status \d+(: (?<network>.*))?$/s.exec(said)
  if (silent !== null || status >= 500 || status === 408 || status === 429) {
    const why = silent === null ? said : status === 400 ? (silent.groups?.network ?? '') : `it says ${status}, and no reason as a registry would`
    return { status: null, said, error: () => unreachable(url, why, thrown) }
  }
  if (status === 401 || status === 403) return { status, said, error: () => notAuthorized(url, said, thrown) }
  return { status, said, error: (what) => refused(what, said, thrown) }
}

function unreachable(url: string, why: string, cause: unknown): WaggleError {
  return new Unavailable('WAGGLE_REGISTRY_UNREACHABLE', {
    message: `The schema registry at ${url} does not answer: ${why}`,
    next: 'Start the registry, or correct its address, with the whole path. Running programs wait, and continue by themselves.',
    cause,
  })
}

/** The error for refused credentials. It is an `Unavailable`, so records wait until the credentials are corrected. */
function notAuthorized(url: string, said: string, cause: unknown): WaggleError {
  return new Unavailable('WAGGLE_REGISTRY_UNREACHABLE', {
    message: `The schema registry at ${url} does not let us in: ${said}`,
    next: 'Correct the user and password, or the token, and their rights. Running programs wait.',
    cause,
  })
}

function refused(what: string, said: string, cause: unknown): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_REFUSED', { message: `${what}: ${said}`, next: 'Correct the schema.', cause })
}

export function incompatible(subject: string, { said }: Refusal): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_INCOMPATIBLE', {
    message: `The schema is not compatible with those that ${subject} has: ${said}`,
    next: 'Change the schema so that its readers can read the old records (a new field needs a default), or the subject’s compatibility level in the registry.',
  })
}

export function unknownSchema(id: number, { said }: Refusal): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_UNKNOWN', {
    message: `The registry knows no schema ${id}: ${said}`,
    next: 'Use the registry that the record was written with, or look at who writes the topic.',
  })
}

export function unregistered(subject: string, url: string, cause: unknown): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_NOT_REGISTERED', {
    message: `The schema registry at ${url} does not have this schema for ${subject}`,
    next: 'Register the schema there, or give the serde a schema and let the serde register it.',
    cause,
  })
}

export function noSchemaIn(id: number, url: string): WaggleError {
  return new Unavailable('WAGGLE_REGISTRY_UNREACHABLE', {
    message: `The answer of ${url} about the schema ${id} cannot be understood`,
    next: 'Correct the address of the registry, with the whole path. Running programs wait.',
  })
}
