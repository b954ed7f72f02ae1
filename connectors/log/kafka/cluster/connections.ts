import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { type API, Connection, type SASLOptions, Writer } from '@platformatic/kafka'
import { BrokerError, networkError, responseIn } from './broker-error.ts'

export interface Broker {
  readonly host: string
  readonly port: number
}

/**
 * A connection for one kind of request. A broker answers the requests of a connection in order, so a request that may wait for long needs its own
 * lane.
 */
export interface Lane {
  readonly name: string
  readonly requestTimeoutMs: number
}

export interface ConnectionsOptions {
  readonly clientId: string
  readonly ssl?: TlsOptions
  readonly sasl?: SASLOptions
}

/** A request that Waggle encodes itself, with the function that parses its response. */
export interface RawRequest<T> {
  readonly key: number
  readonly version: number
  readonly payload: readonly Uint8Array[]
  parse(answer: Buffer): T
}

/** The connections of one log, one for each broker and lane. A connection is opened at its first use. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #open = new Map<string, { readonly lane: Lane; readonly connection: Connection; readonly ready: Promise<Connection> }>()
  #closed = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Returns the response, even if it contains error codes. Rejects with a BrokerError if no response comes. */
  async call<A extends unknown[], R>(lane: Lane, broker: Broker, api: API<A, R>, ...args: A): Promise<R> {
    const connection = await this.#connect(lane, broker)
    try {
      return await api.async(connection, ...args)
    } catch (thrown) {
      const response = responseIn(thrown)
      if (response !== null) return response as R
      throw networkError(thrown)
    }
  }

  async raw<T>(lane: Lane, broker: Broker, { key, version, payload, parse }: RawRequest<T>): Promise<T> {
    const connection = await this.#connect(lane, broker)
    return new Promise((resolve, reject) => {
      const write = () => {
        const writer = Writer.create()
        for (const part of payload) writer.append(part as Buffer)
        return writer
      }
      connection.send<T>(
        key,
        version,
        write,
        (_id, _key, _version, reader) => parse(reader.buffer.buffer),
        true,
        true,
        (error, answer) => {
          if (error) reject(networkError(error))
          else resolve(answer as T)
        },
      )
    })
  }

  /** Closes the connections of all lanes whose names pass the test. Open requests on these connections fail. */
  async closeLanes(isClosed: (name: string) => boolean): Promise<void> {
    const closing = [...this.#open].filter(([, { lane }]) => isClosed(lane.name))
    for (const [name] of closing) this.#open.delete(name)
    await Promise.all(closing.map(([, { connection }]) => connection.close()))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.closeLanes(() => true)
  }

  #connect(lane: Lane, { host, port }: Broker): Promise<Connection> {
    const name = `${lane.name} ${host}:${port}`
    const there = this.#open.get(name)
    if (there !== undefined) return there.ready
    if (this.#closed) return Promise.reject(new BrokerError('NETWORK', 'this log is closed'))
    const { clientId, ssl, sasl } = this.#options
    const connection = new Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      requestTimeout: lane.requestTimeoutMs,
      maxInflights,
      ...(ssl === undefined ? {} : { tls: ssl }),
      ...(sasl === undefined ? {} : { sasl }),
    })
    const forget = () => {
      if (this.#open.get(name)?.connection === connection) this.#open.delete(name)
    }
    connection.on('error', forget)
    connection.on('close', forget)
    const ready = new Promise<Connection>((resolve, reject) => {
      connection.connect(host, port, (error) => {
        if (error) {
          forget()
          reject(networkError(error))
        } else resolve(connection)
      })
    })
    this.#open.set(name, { lane, connection, ready })
    return ready
  }
}

const connectTimeoutMs = 5000
const maxInflights = 32
