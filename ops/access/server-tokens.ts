import { randomBytes } from 'node:crypto'
import { type AccessToken, digestOf, parseTokens } from '../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../connectors/gateway/access/access-tokens.ts'
import type { Caller, Callers } from '../../connectors/gateway/access/caller.ts'
import { CreatedTokens } from '../../connectors/gateway/access/created-tokens.ts'
import { everyScope } from '../../connectors/gateway/access/scopes.ts'
import { type NewToken, type TokenRow, tokenExists } from '../../connectors/gateway/access/stored-token.ts'
import type { TokenRegistry } from '../../connectors/gateway/http/token-routes.ts'
import type { IssuerCallers } from '../../connectors/gateway/oidc/issuer-callers.ts'
import type { Clock } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Settings } from '../config/settings.ts'
import { type TokenSettings, tokensText } from '../config/tokens-text.ts'
import type { SharedTokens } from './shared-tokens.ts'

/**
 * All tokens of a process: tokens of its settings, tokens that were created in its data directory, on a cluster those that were created at a server of
 * the cluster, tokens that an issuer has signed, and a token of this run for commands on the same machine.
 */
export class ServerTokens implements Callers, TokenRegistry {
  /** A token for commands of the user who owns the data directory. The token is valid until the process ends. */
  readonly localToken = `wgl_${randomBytes(32).toString('base64url')}`
  readonly #tokens = new AccessTokens()
  readonly #created: CreatedTokens
  readonly #clock: Pick<Clock, 'now' | 'elapsedMs'>
  #areKnown = false
  #issuer: IssuerCallers | null = null
  /** The names of the tokens in the settings. */
  #given: ReadonlySet<string> = new Set()
  #createdNames: readonly string[] = []
  #shared: SharedTokens | null = null
  #sharedNames: readonly string[] = []
  /** The fingerprint of the file of created tokens when the file was last read. */
  #fingerprint = ''
  #lookedAtMs = Number.NEGATIVE_INFINITY

  /** Throws the errors of `replaceSettings`. */
  constructor(settings: TokenSettings & Pick<Settings, 'data_dir'>, clock: Pick<Clock, 'now' | 'elapsedMs'>, issuer: IssuerCallers | null = null) {
    this.#created = new CreatedTokens(settings.data_dir)
    this.#clock = clock
    this.#tokens.replace('local', [{ name: localName, digest: digestOf(this.localToken), scopes: everyScope }])
    this.replaceSettings(settings)
    this.replaceIssuer(issuer)
  }

  /**
   * True once there has been a token, or a setting for tokens. After that, every caller needs a token until the process ends, even if all tokens are
   * revoked.
   */
  get areKnown(): boolean {
    this.#follow()
    return this.#areKnown
  }

  /** The names of all tokens. Each of them may have made a request. */
  get names(): readonly string[] {
    return [...new Set([localName, ...this.#given, ...this.#createdNames, ...this.#sharedNames])]
  }

  find(token: string): Caller | null | Promise<Caller> {
    this.#follow()
    return this.#tokens.find(token) ?? this.#issuer?.find(token) ?? null
  }

  /** Replaces the trusted issuer. From now on only tokens of this issuer are trusted; with null, of no issuer. */
  replaceIssuer(issuer: IssuerCallers | null): void {
    this.#issuer?.close()
    this.#issuer = issuer
    if (issuer !== null) this.#areKnown = true
  }

  /** Accepts the tokens of the cluster. From now on tokens are created there. */
  share(shared: SharedTokens): void {
    this.#shared = shared
    shared.follow(() => this.#readShared())
    this.#readShared()
  }

  close(): void {
    this.#issuer?.close()
  }

  /**
   * Takes the tokens of new settings, and reads the files of tokens again. Throws WAGGLE_TOKENS_DAMAGED, WAGGLE_FILE_NOT_FOUND, or
   * WAGGLE_INVALID_CONFIG for a text that is not a list of tokens. After an error all tokens are unchanged.
   */
  replaceSettings(settings: TokenSettings): void {
    const given = givenTokens(settings)
    this.#readCreated()
    this.#tokens.replace('settings', given)
    this.#given = new Set(given.map(({ name }) => name))
    // An emptied file, or a file that is being written, must not open the server to everybody.
    if (settings.tokens !== null || settings.tokens_file !== null) this.#areKnown = true
  }

  list(): readonly TokenRow[] {
    return [...this.#created.list(), ...(this.#shared?.list() ?? [])]
  }

  async create(name: string, scopes: readonly string[], priority?: number): Promise<NewToken> {
    if (this.#given.has(name)) {
      throw new WaggleError('WAGGLE_TOKEN_EXISTS', {
        message: `The settings have a token ${name} already`,
        next: 'Take another name: requests belong to the name of a token.',
      })
    }
    const options = { name, scopes, priority, nowMs: this.#clock.now() }
    if (this.#shared !== null) {
      if (this.#created.list().some((token) => token.name === name)) throw tokenExists(name)
      return this.#shared.create(options)
    }
    const made = this.#created.create(options)
    this.#readCreated()
    return made
  }

  async revoke(name: string): Promise<void> {
    if (this.#shared !== null && this.#created.list().every((token) => token.name !== name)) return this.#shared.revoke(name)
    this.#created.revoke(name)
    this.#readCreated()
  }

  #readShared(): void {
    const shared = this.#shared?.read() ?? []
    this.#tokens.replace('shared', shared)
    this.#sharedNames = shared.map(({ name }) => name)
    if (this.#shared?.exist === true) this.#areKnown = true
  }

  /**
   * Reads the file of created tokens again after a change. A command writes the file itself if it cannot ask this process, for example during the
   * start.
   */
  #follow(): void {
    const nowMs = this.#clock.elapsedMs()
    if (nowMs - this.#lookedAtMs < lookMs) return
    this.#lookedAtMs = nowMs
    try {
      if (this.#created.fingerprint !== this.#fingerprint) this.#readCreated()
    } catch {
      // Calls that list or change tokens report the error of the file.
    }
  }

  #readCreated(): void {
    this.#fingerprint = this.#created.fingerprint
    const created = this.#created.read()
    this.#tokens.replace('created', created)
    this.#createdNames = created.map(({ name }) => name)
    if (this.#created.exist) this.#areKnown = true
  }
}

function givenTokens(settings: TokenSettings): readonly AccessToken[] {
  const text = tokensText(settings)
  try {
    return parseTokens(text)
  } catch (thrown) {
    throw WaggleError.from('WAGGLE_INVALID_CONFIG', thrown, { next: 'Write NAME=SECRET:SCOPE, one a line.' })
  }
}

const lookMs = 1000
/** A name that no other token can have, because other names contain no parentheses. */
const localName = '(local)'
