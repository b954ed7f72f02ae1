import { ClaimScopes } from '../../connectors/gateway/oidc/claim-scopes.ts'
import { IssuerCallers } from '../../connectors/gateway/oidc/issuer-callers.ts'
import { isUsable } from '../../connectors/gateway/oidc/issuer-keys.ts'
import { TokenTypes } from '../../connectors/gateway/oidc/token-types.ts'
import { AllowedHosts } from '../../connectors/http/allowed-hosts.ts'
import type { Clock } from '../../processor/ports.ts'
import type { Settings } from './settings.ts'

const keys = [
  'oidc_issuer',
  'oidc_audience',
  'oidc_jwks_url',
  'oidc_hosts',
  'oidc_algorithms',
  'oidc_token_types',
  'oidc_scopes_claim',
  'oidc_scopes',
  'oidc_clock_skew_seconds',
] as const

/** The settings of the OpenID Connect provider. */
export type IssuerSettings = Pick<Settings, (typeof keys)[number]>

export function areSameIssuer(one: IssuerSettings, other: IssuerSettings): boolean {
  return keys.every((key) => one[key] === other[key])
}

/** The callers with tokens of the provider; null if no provider is set. Throws a RangeError for settings that `checkIssuer` would refuse. */
export function issuerOf(
  settings: IssuerSettings,
  { clock, onProblem }: { readonly clock: Clock; readonly onProblem: (problem: string) => void },
): IssuerCallers | null {
  const { oidc_issuer: issuer, oidc_audience: audience, oidc_jwks_url: jwksUrl } = settings
  if (issuer === null || audience === null) return null
  return new IssuerCallers({
    issuer,
    audience,
    jwksUrl,
    hosts: AllowedHosts.parse(settings.oidc_hosts ?? usualHosts([issuer, ...(jwksUrl === null ? [] : [jwksUrl])])),
    algorithms: algorithmsIn(settings.oidc_algorithms),
    types: TokenTypes.parse(settings.oidc_token_types),
    scopesClaim: settings.oidc_scopes_claim,
    scopes: ClaimScopes.parse(settings.oidc_scopes),
    clockSkewSeconds: settings.oidc_clock_skew_seconds,
    clock,
    onProblem,
  })
}

/** Calls `add` for each mistake in the settings of the provider. */
export function checkIssuer(settings: IssuerSettings, add: (key: keyof IssuerSettings, message: string, next: string) => void): void {
  const { oidc_issuer: issuer, oidc_audience: audience } = settings
  if (issuer !== null && audience === null)
    add(
      'oidc_audience',
      'oidc_audience is missing: without it, a token for any other program of the provider would count here',
      'Set WAGGLE_OIDC_AUDIENCE.',
    )
  const given = keys.find((key) => key !== 'oidc_issuer' && settings[key] !== null && !hasDefault.has(key))
  if (issuer === null && given !== undefined) add('oidc_issuer', `${given} is set, and no issuer`, 'Set WAGGLE_OIDC_ISSUER.')
  for (const key of ['oidc_issuer', 'oidc_jwks_url'] as const) {
    const address = settings[key]
    const url = address === null ? null : URL.parse(address)
    if (address === null || (url !== null && isUsable(url) && url.hash === '')) continue
    add(key, `${JSON.stringify(address)} is not an https address`, 'Write https://HOST/PATH. On this machine http is possible too.')
  }
  check('oidc_hosts', () => AllowedHosts.parse(settings.oidc_hosts), 'Write names, addresses and networks with commas between them.')
  check('oidc_algorithms', () => algorithmsIn(settings.oidc_algorithms), `Choose among ${[...asymmetric].join(', ')}.`)
  check('oidc_token_types', () => TokenTypes.parse(settings.oidc_token_types), 'Write types with commas between them, as in at+jwt,JWT,none.')
  check(
    'oidc_scopes',
    () => ClaimScopes.parse(settings.oidc_scopes),
    'Write VALUE=SCOPE,SCOPE, several with ; between them, as in shop=ask:teddy;operators=manage.',
  )

  function check(key: keyof IssuerSettings, parse: () => unknown, next: string): void {
    try {
      parse()
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown
      add(key, thrown.message, next)
    }
  }
}

/** The algorithms in a list. Throws a RangeError for `none`, for symmetric algorithms (a public key would be their secret), and for unknown names. */
function algorithmsIn(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !asymmetric.has(name))
  if (wrong !== undefined) throw new RangeError(`${JSON.stringify(wrong.slice(0, 100))} is not an algorithm with a public key`)
  return names
}

function usualHosts(addresses: readonly string[]): string {
  const hosts = addresses.map((address) => {
    const { hostname, port, protocol } = new URL(address)
    return `${hostname}:${port || (protocol === 'http:' ? '80' : '443')}`
  })
  return hosts.join(',')
}

const asymmetric: ReadonlySet<string> = new Set(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])
const hasDefault: ReadonlySet<keyof IssuerSettings> = new Set(['oidc_algorithms', 'oidc_token_types', 'oidc_scopes_claim', 'oidc_clock_skew_seconds'])
