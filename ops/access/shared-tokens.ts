import type { AccessToken } from '../../connectors/gateway/access/access-token.ts'
import {
  accessTokenOf,
  isStoredToken,
  type NewToken,
  type NewTokenOptions,
  newToken,
  rowOf,
  type StoredToken,
  type TokenRow,
  tokenExists,
  unknownToken,
} from '../../connectors/gateway/access/stored-token.ts'
import { bytesIn, type Clock, DamagedValue, type Log, type LogRecord, type Producer } from '../../processor/ports.ts'
import { tokensTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { FollowedPartition } from '../requests/followed-partition.ts'

export interface SharedTokensOptions {
  readonly log: Log
  readonly clock: Clock
  readonly say: LogLine
}

/**
 * Tokens that were created at a server on a cluster, in the compacted topic `waggle.tokens`. Every server follows the topic, so a token is valid at
 * all servers, and is refused by all of them after it is revoked. A record has the hash of a secret. Its key is that hash, so records of two tokens
 * never replace each other: if two servers create tokens of one name at once, the token with the earlier record counts, and the other server reports
 * WAGGLE_TOKEN_EXISTS. Records that Waggle did not write are reported and skipped.
 */
export class SharedTokens {
  readonly #options: SharedTokensOptions
  readonly #producer: Producer
  /** The tokens by the hash of their secret, in the order of the topic. */
  readonly #tokens = new Map<string, StoredToken>()
  #exist = false
  #followed: FollowedPartition | null = null
  #onChange = () => {}

  private constructor(options: SharedTokensOptions, producer: Producer) {
    this.#options = options
    this.#producer = producer
  }

  /** Settles when all records of the topic are read. */
  static async open(options: SharedTokensOptions): Promise<SharedTokens> {
    const { log, clock, say } = options
    await log.createTopics([{ name: tokensTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
    const shared = new SharedTokens(options, await log.producer())
    const [{ start, end } = { start: 0, end: 0 }] = (await log.topic(tokensTopic))?.offsets ?? []
    const onRecord = (record: LogRecord) => {
      shared.#read(record)
      shared.#onChange()
    }
    const onFailure = (error: unknown) => say('tokens', 'warn', `the tokens of the cluster cannot be followed: ${String(error)}`)
    shared.#followed = await FollowedPartition.open({ topic: tokensTopic, partition: 0, from: start, log, clock, onRecord, onFailure })
    await shared.#followed.reached(end)
    return shared
  }

  /** Calls `listener` after each record of the topic. */
  follow(listener: () => void): void {
    this.#onChange = listener
  }

  /** True if a token was ever created. It stays true when all tokens are revoked, so that a server does not open to everybody. */
  get exist(): boolean {
    return this.#exist
  }

  read(): readonly AccessToken[] {
    return this.#valid().map(accessTokenOf)
  }

  list(): readonly TokenRow[] {
    return this.#valid().map(rowOf)
  }

  /** Creates a token, and settles when its record is durable and this server has read it. Throws WAGGLE_TOKEN_INVALID and WAGGLE_TOKEN_EXISTS. */
  async create(options: NewTokenOptions): Promise<NewToken> {
    const { made, stored } = newToken(options)
    if (this.#named(stored.name) !== undefined) throw tokenExists(stored.name)
    if (this.#tokens.size >= mostTokens)
      throw new WaggleError('WAGGLE_TOKEN_INVALID', { message: `There are ${mostTokens} tokens`, next: 'Revoke tokens that nobody uses.' })
    if (!this.#exist) await this.#write(everKey, {})
    await this.#write(stored.sha256, stored)
    if (this.#named(stored.name)?.sha256 === stored.sha256) return made
    await this.#write(stored.sha256, null)
    throw tokenExists(stored.name)
  }

  /**
   * Revokes a token, and settles when this server refuses the token. The others refuse it as soon as they have read the record. Throws
   * WAGGLE_UNKNOWN_TOKEN.
   */
  async revoke(name: string): Promise<void> {
    const named = [...this.#tokens.values()].filter((token) => token.name === name)
    if (named.length === 0) throw unknownToken(name)
    // A server that died while it created a token may have left a later one of the name, which must not become valid.
    for (const { sha256 } of named.reverse()) await this.#write(sha256, null)
  }

  async close(): Promise<void> {
    await this.#followed?.close()
    await this.#producer.close()
  }

  /** The token with a name: the earliest of all tokens with this name. */
  #named(name: string): StoredToken | undefined {
    for (const token of this.#tokens.values()) if (token.name === name) return token
    return undefined
  }

  #valid(): readonly StoredToken[] {
    const byName = new Map<string, StoredToken>()
    for (const token of this.#tokens.values()) if (!byName.has(token.name)) byName.set(token.name, token)
    return [...byName.values()]
  }

  async #write(key: string, value: object | null): Promise<void> {
    const bytes = value === null ? null : Buffer.from(JSON.stringify(value))
    const record = { topic: tokensTopic, partition: 0, key: Buffer.from(key), value: bytes, headers: [], timestamp: this.#options.clock.now() }
    const { offset } = await this.#producer.send(record)
    await this.#followed?.reached(offset + 1)
  }

  #read({ key, value }: LogRecord): void {
    const wrong = this.#taken(key === null ? '' : Buffer.from(key).toString(), value)
    if (wrong !== null) this.#options.say('tokens', 'warn', `a record of ${tokensTopic} is skipped: ${wrong}. Let nobody else write to this topic`)
  }

  /** Applies a record. Returns the reason why it is skipped; null for a record of Waggle's. */
  #taken(id: string, value: LogRecord['value']): string | null {
    if (id === everKey) {
      this.#exist = true
      return null
    }
    if (!/^[0-9a-f]{64}$/.test(id)) return 'its key is no hash'
    if (value === null) {
      this.#tokens.delete(id)
      return null
    }
    const token = storedIn(value)
    if (token?.sha256 !== id) return 'its value is no token'
    if (this.#tokens.size >= mostTokens && !this.#tokens.has(id)) return `there are ${mostTokens} tokens already`
    this.#exist = true
    this.#tokens.set(id, token)
    return null
  }
}

function storedIn(value: NonNullable<LogRecord['value']>): StoredToken | null {
  if (value instanceof DamagedValue) return null
  const bytes = bytesIn(value)
  if (bytes === null || bytes.byteLength > maxRecordBytes) return null
  try {
    const read: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
    return isStoredToken(read) ? read : null
  } catch {
    return null
  }
}

/** The key of the record that says that a token was created once. */
const everKey = 'ever'
const mostTokens = 10_000
const maxRecordBytes = 64 * 1024
