import { join } from 'node:path'
import type { Limits } from '../../connectors/gateway/access/caller-limits.ts'
import { isLoopback } from '../../connectors/http/loopback.ts'
import { TlsFiles } from '../../connectors/http/tls-files.ts'
import type { PrivatePlace } from '../../connectors/system/private-modes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ServerTokens } from '../access/server-tokens.ts'
import type { Settings } from '../config/settings.ts'

/** Throws WAGGLE_NOT_LOOPBACK for an address that other machines can reach, unless callers need a token. */
export function refuseBeyondLoopback(host: string, tokens: ServerTokens): void {
  if (isLoopback(host) || tokens.areKnown) return
  throw new WaggleError('WAGGLE_NOT_LOOPBACK', {
    message: `Listening on ${host} would let anybody in who reaches it, and there are no tokens`,
    next: 'Set WAGGLE_TOKENS, create a token (`waggle tokens create`), or set WAGGLE_HOST=127.0.0.1.',
  })
}

/** The host names under which callers reach this process, in addition to the loopback names. */
export function furtherNames({ hosts }: Settings): readonly string[] {
  return listIn(hosts)
}

export function listIn(text: string | null): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The limits of callers from new settings. The limit of requests in flight for the whole process keeps its value from the start. */
export function limitsOf({ caller_rate_per_second, caller_requests_in_flight }: Settings, { max_requests_in_flight }: Settings): Limits {
  return { ratePerSecond: caller_rate_per_second, inFlight: caller_requests_in_flight, allInFlight: max_requests_in_flight }
}

/** The certificate of the server, if the settings name one. The files are watched for changes. */
export function tlsOf({ tls_cert: cert, tls_key: key, tls_client_ca: clientCa }: Settings): { readonly tls?: TlsFiles } {
  return cert === null || key === null ? {} : { tls: new TlsFiles({ cert, key, clientCa }) }
}

/** The files and folders that contain secrets or inputs of callers, and the files that decide which callers are let in. */
export function privatePlaces({ data_dir, tokens_file, secrets_key_file, tls_key, tls_cert, tls_client_ca }: Settings): readonly PrivatePlace[] {
  const own = ['tokens.json', 'secrets.json', 'audit.json'].map((name) => ({ path: join(data_dir, name), isOwn: true }))
  const given = [data_dir, tokens_file, secrets_key_file, tls_key].flatMap((path) => (path === null ? [] : [{ path, isOwn: false }]))
  const shown = [tls_cert, tls_client_ca].flatMap((path) => (path === null ? [] : [{ path, isOwn: false, isPublic: true }]))
  return [...own, ...given, ...shown]
}
