/** The lower layer of kafkajs 2.2.4: a connection to one broker, and the requests that it can encode. kafkajs has no types for this layer. */

declare module 'kafkajs/src/network/connectionPool.js' {
  export default class ConnectionPool {
    constructor(options: {
      readonly host: string
      readonly port: number
      readonly clientId: string
      readonly ssl: object | null
      readonly sasl: object | null
      readonly socketFactory: unknown
      readonly logger: unknown
      readonly connectionTimeout: number
      readonly requestTimeout: number
      readonly enforceRequestTimeout: boolean
    })
    send<Decoded>(request: {
      readonly request: unknown
      readonly response: { decode(bytes: Buffer): Promise<Decoded>; parse(decoded: Decoded): Promise<Decoded> }
    }): Promise<Decoded>
  }
}

declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js'
  import type { Definitions, Encoded } from 'kafkajs/src/protocol/requests/index.js'

  export default class Broker {
    constructor(options: { readonly connectionPool: ConnectionPool; readonly logger: unknown; readonly authenticationTimeout: number })
    readonly connectionPool: ConnectionPool
    /** Finds the newest version of a request that kafkajs and the broker both support. */
    readonly lookupRequest: (apiKey: number, definitions: Definitions) => (parameters: object) => Encoded
    connect(): Promise<void>
    disconnect(): Promise<void>
  }
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  export interface Definitions {
    readonly versions: readonly string[]
  }
  export interface Encoded {
    readonly request: object
    readonly response: { decode(bytes: Buffer): Promise<unknown> }
  }
  const all: { readonly requests: { readonly [name: string]: Definitions } }
  export default all
}

declare module 'kafkajs/src/protocol/requests/apiKeys.js' {
  const apiKeys: { readonly [name: string]: number }
  export default apiKeys
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    constructor(initialSize?: number)
    writeBuffer(bytes: Buffer): this
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  export default function socketFactory(): unknown
}

declare module 'kafkajs/src/loggers/index.js' {
  const loggers: { createLogger(options: { readonly level: number; readonly logCreator: () => () => void }): unknown }
  export default loggers
}
