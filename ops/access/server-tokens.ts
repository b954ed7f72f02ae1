import { randomBytes } from 'node:crypto'
import { digestOf, parseTokens } from '../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../connectors/gateway/access/access-tokens.ts'
import type { Caller, Callers } from '../../connectors/gateway/access/caller.ts'
import { CreatedTokens, type NewToken, type TokenRow } from '../../connectors/gateway/access/created-tokens.ts'
import { everyScope } from '../../connectors/gateway/access/scopes.ts'
import type { TokenRegistry } from '../../connectors/gateway/http/token-routes.ts'
import type { Clock } from '../../processor/ports.ts'
import type { Settings } from '../config/settings.ts'
import { type TokenSettings, tokensText } from '../config/tokens-text.ts'

/** All tokens of a process: those of its settings, those created in its data directory, and a token of this run for commands on the same machine. */
export class ServerTokens implements Callers, TokenRegistry {
  /** A token for commands of the user who owns the data directory. It is valid during this run of the process. */
  readonly localToken = `wgl_${randomBytes(32).toString('base64url')}`
  readonly #tokens = new AccessTokens()
  readonly #created: CreatedTokens
  readonly #clock: Pick<Clock, 'now'>
  #areKnown = false

  /** Throws WAGGLE_TOKENS_DAMAGED, and WAGGLE_INVALID_CONFIG for a file of tokens that cannot be read. */
  constructor(settings: TokenSettings & Pick<Settings, 'data_dir'>, clock: Pick<Clock, 'now'>) {
    this.#created = new CreatedTokens(settings.data_dir)
    this.#clock = clock
    this.#tokens.replace('local', [{ name: localName, digest: digestOf(this.localToken), scopes: everyScope }])
    this.replaceSettings(settings)
  }

  /** Once there are tokens, the process asks for one until it ends, even if all are revoked. */
  get areKnown(): boolean {
    return this.#areKnown
  }

  find(token: string): Caller | null {
    return this.#tokens.find(token)
  }

  /** Takes the tokens of new settings, and reads the files of tokens again. */
  replaceSettings(settings: TokenSettings): void {
    const given = parseTokens(tokensText(settings))
    this.#tokens.replace('settings', given)
    if (given.length > 0) this.#areKnown = true
    this.#readCreated()
  }

  list(): readonly TokenRow[] {
    return this.#created.list()
  }

  create(name: string, scopes: readonly string[]): NewToken {
    const made = this.#created.create({ name, scopes, nowMs: this.#clock.now() })
    this.#readCreated()
    return made
  }

  revoke(name: string): void {
    this.#created.revoke(name)
    this.#readCreated()
  }

  #readCreated(): void {
    this.#tokens.replace('created', this.#created.read())
    if (this.#created.exist) this.#areKnown = true
  }
}

/** A name that no other token can have: names have no parentheses. */
const localName = '(local)'
