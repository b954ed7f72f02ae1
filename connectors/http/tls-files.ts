import { readFileSync, statSync } from 'node:fs'
import type { Server } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Clock } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface TlsPaths {
  /** PEM: the certificate of the server, with those between it and the authority. */
  readonly cert: string
  /** PEM: the key of the certificate. */
  readonly key: string
  /** PEM: the authorities of clients. A client without a certificate of theirs gets no connection. Null: clients need no certificate. */
  readonly clientCa: string | null
}

/** The certificate of a server, in files that may be replaced while it runs. */
export class TlsFiles {
  readonly #paths: TlsPaths
  #signature: string

  /** Throws WAGGLE_TLS if a file cannot be read. */
  constructor(paths: TlsPaths) {
    this.#paths = paths
    this.#signature = this.#signatureNow()
  }

  /** The options of an HTTPS server. Throws WAGGLE_TLS for files that are not a certificate and its key. */
  serverOptions(): SecureContextOptions & { readonly requestCert?: true; readonly rejectUnauthorized?: true; readonly handshakeTimeout: number } {
    const hasClients = this.#paths.clientCa !== null
    return { ...this.#context(), ...(hasClients ? { requestCert: true, rejectUnauthorized: true } : {}), handshakeTimeout: handshakeMs }
  }

  /**
   * Gives new connections the new certificate within seconds after its files have changed. Connections that are open keep the one that they have. Files
   * that do not fit together change nothing: `onProblem` gets the reason. The returned function ends it.
   */
  follow(server: Server, clock: Clock, onProblem: (problem: string) => void): () => void {
    let cancel = () => {}
    const look = () => {
      try {
        this.#reload(server)
      } catch (thrown) {
        if (!(thrown instanceof WaggleError)) throw thrown
        onProblem(`the certificate stays as it was: ${thrown.message}`)
      }
      cancel = clock.after(lookMs, look)
    }
    cancel = clock.after(lookMs, look)
    return () => cancel()
  }

  #reload(server: Server): void {
    const signature = this.#signatureNow()
    if (signature === this.#signature) return
    // Even if the files do not fit together, they are looked at again only after another change.
    this.#signature = signature
    server.setSecureContext(this.#context())
  }

  #context(): SecureContextOptions {
    const { cert, key, clientCa } = this.#paths
    const options: SecureContextOptions = {
      cert: readPem(cert),
      key: readPem(key),
      ...(clientCa === null ? {} : { ca: readPem(clientCa) }),
      minVersion: 'TLSv1.2',
    }
    try {
      createSecureContext(options)
      return options
    } catch (thrown) {
      throw tlsError(`${cert} and ${key} are not a certificate and its key: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown)
    }
  }

  /** Differs after each change of a file, also of the file that a link names. */
  #signatureNow(): string {
    const { cert, key, clientCa } = this.#paths
    return [cert, key, clientCa].map((path) => (path === null ? '' : signatureOf(path))).join()
  }
}

function signatureOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (thrown) {
    throw tlsError(`${path} cannot be read (${(thrown as NodeJS.ErrnoException).code})`, thrown)
  }
}

function tlsError(message: string, cause: unknown): WaggleError {
  return new WaggleError('WAGGLE_TLS', { message, next: 'Set WAGGLE_TLS_CERT and WAGGLE_TLS_KEY to PEM files that belong together.', cause })
}

const lookMs = 2000
const handshakeMs = 10_000
