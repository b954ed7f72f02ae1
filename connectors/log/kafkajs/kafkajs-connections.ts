// This reference is for projects that compile a clone of Waggle: without it, they do not find the declarations.
/// <reference path="./kafkajs-internals.d.ts" />

import KafkaJsBroker from 'kafkajs/src/broker/index.js'
import loggers from 'kafkajs/src/loggers/index.js'
import ConnectionPool from 'kafkajs/src/network/connectionPool.js'
import socketFactory from 'kafkajs/src/network/socketFactory.js'
import Encoder from 'kafkajs/src/protocol/encoder.js'
import apiKeys from 'kafkajs/src/protocol/requests/apiKeys.js'
import definitions from 'kafkajs/src/protocol/requests/index.js'
import { BrokerError } from '../kafka/cluster/broker-error.ts'
import type { RawRequest } from '../kafka/cluster/connections.ts'
import type { At } from '../kafka/cluster/kafka-client.ts'
import type { KafkaLogOptions } from '../kafka/kafka-log.ts'

type ConnectOptions = Pick<KafkaLogOptions, 'clientId' | 'ssl' | 'sasl'>

/** Connections through kafkajs, one for each broker and lane. Requests are sent by their names. */
export class KafkaJsConnections {
  readonly #options: ConnectOptions
  readonly #open = new Map<string, { readonly lane: string; readonly broker: KafkaJsBroker; readonly ready: Promise<KafkaJsBroker> }>()
  #closed = false

  constructor(options: ConnectOptions) {
    this.#options = options
  }

  /** Returns the response before kafkajs checks it. The check throws at the first error code, which would hide the results of the other items. */
  async ask(at: At, name: string, parameters: object): Promise<unknown> {
    const broker = await this.#connect(at)
    const apiKey = apiKeys[name]
    const requests = definitions.requests[name]
    if (apiKey === undefined || requests === undefined) throw new BrokerError('UNSUPPORTED_VERSION', name)
    return this.#sent(at, async () => {
      const { request, response } = broker.lookupRequest(apiKey, requests)(parameters)
      return broker.connectionPool.send({ request, response: { decode: (bytes) => response.decode(bytes), parse: async (decoded) => decoded } })
    })
  }

  async raw<T>(at: At, { key, version, payload, parse }: RawRequest<T>): Promise<T> {
    const broker = await this.#connect(at)
    // These versions of requests need a header that ends with tags, but kafkajs writes the older header without tags. So the tags are added before
    // the body of the request, and removed before the body of the response.
    const bytes = Buffer.concat([noTags, ...payload])
    const request = { apiKey: key, apiVersion: version, apiName: `${key}`, encode: async () => new Encoder(bytes.length).writeBuffer(bytes) }
    const response = { decode: async (answer: Buffer) => parse(answer.subarray(noTags.length)), parse: async (decoded: T) => decoded }
    return this.#sent(at, () => broker.connectionPool.send({ request, response }))
  }

  async closeLanes(isClosed: (name: string) => boolean): Promise<void> {
    const closing = [...this.#open].filter(([, { lane }]) => isClosed(lane))
    for (const [name] of closing) this.#open.delete(name)
    await Promise.all(closing.map(([, { broker }]) => broker.disconnect()))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.closeLanes(() => true)
  }

  async #sent<T>(at: At, send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (thrown) {
      this.#forget(at)
      throw networkError(thrown)
    }
  }

  #connect(at: At): Promise<KafkaJsBroker> {
    const name = nameOf(at)
    const there = this.#open.get(name)
    if (there !== undefined) return there.ready
    if (this.#closed) return Promise.reject(new BrokerError('NETWORK', 'this log is closed'))
    const { clientId, ssl, sasl } = this.#options
    const logger = loggers.createLogger({ level: 0, logCreator: () => () => {} })
    const connectionPool = new ConnectionPool({
      ...at.broker,
      clientId,
      ssl: ssl ?? null,
      sasl: sasl === undefined ? null : signIn(sasl),
      socketFactory: socketFactory(),
      logger,
      connectionTimeout: connectTimeoutMs,
      requestTimeout: at.lane.requestTimeoutMs,
      enforceRequestTimeout: true,
    })
    const broker = new KafkaJsBroker({ connectionPool, logger, authenticationTimeout: connectTimeoutMs })
    const ready = broker.connect().then(
      () => broker,
      (thrown: unknown) => {
        this.#forget(at)
        throw networkError(thrown)
      },
    )
    this.#open.set(name, { lane: at.lane.name, broker, ready })
    return ready
  }

  #forget(at: At): void {
    const name = nameOf(at)
    const there = this.#open.get(name)
    this.#open.delete(name)
    void there?.broker.disconnect().catch(() => {})
  }
}

function nameOf({ lane, broker }: At): string {
  return `${lane.name} ${broker.host}:${broker.port}`
}

function networkError(thrown: unknown): BrokerError {
  const isRefused = thrown instanceof Error && thrown.name === refusedName
  return new BrokerError(isRefused ? 'SASL_AUTHENTICATION_FAILED' : 'NETWORK', thrown instanceof Error ? thrown.message : String(thrown), thrown)
}

function signIn(sasl: NonNullable<ConnectOptions['sasl']>): object {
  if (sasl.mechanism !== 'oauthbearer') return sasl
  const authenticationProvider = ({ saslAuthenticate }: SignInParts) => ({
    authenticate: async () => {
      const token = await sasl.token()
      const refusal = await saslAuthenticate({
        request: { encode: async () => withLength(Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`)) },
        response: { decode: async (bytes) => bytes.subarray(lengthBytes).toString(), parse: async (text) => text },
      })
      // A broker answers a refused token with a text that names the error (RFC 7628, section 3.2.3). kafkajs's own provider does not read this text.
      if (refusal !== undefined && refusal !== '') throw Object.assign(new Error(`The token is refused: ${refusal}`), { name: refusedName })
    },
  })
  return { mechanism: sasl.mechanism, authenticationProvider }
}

interface SignInParts {
  saslAuthenticate(parts: {
    readonly request: { encode(): Promise<Buffer> }
    readonly response: { decode(bytes: Buffer): Promise<string>; parse(text: string): Promise<string> }
  }): Promise<string | undefined>
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

const lengthBytes = 4
/** The name of kafkajs's error for a refused sign-in. */
const refusedName = 'KafkaJSSASLAuthenticationError'

const noTags = Buffer.from([0])
const connectTimeoutMs = 5000
