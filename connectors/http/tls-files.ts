import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls'
import type { Clock } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface TlsPaths {
  /** PEM: the certificate of the server, followed by the intermediate certificates up to the authority. */
  readonly cert: string
  /** PEM: the private key of the certificate. */
  readonly key: string
  /**
   * PEM: the authorities that sign the certificates of clients. A client without a signed certificate gets no connection. Null: clients need no
   * certificate.
   */
  readonly clientCa: string | null
}

/** The certificate of a server, in files that may be replaced while it runs. */
export class TlsFiles {
  readonly #paths: TlsPaths
  #fingerprint: string

  /** Throws WAGGLE_TLS if a file cannot be read. */
  constructor(paths: TlsPaths) {
    this.#paths = paths
    this.#fingerprint = this.#fingerprintNow()
  }

  /** The options of a TLS server. Throws WAGGLE_TLS if the files are not a certificate and its key. */
  serverOptions(): SecureContextOptions & { readonly requestCert?: true; readonly rejectUnauthorized?: true; readonly handshakeTimeout: number } {
    const hasClients = this.#paths.clientCa !== null
    return { ...this.#context(), ...(hasClients ? { requestCert: true, rejectUnauthorized: true } : {}), handshakeTimeout: handshakeMs }
  }

  /**
   * Watches the files. Within seconds after a change, new connections get the new certificate; open connections keep the old certificate. Files that
   * do not fit together change nothing, and `onNotice` gets the reason. The returned function ends the watch.
   */
  follow(server: Server, clock: Clock, onNotice: (notice: string) => void): () => void {
    let cancel = () => {}
    const look = () => {
      try {
        this.#reload(server)
      } catch (thrown) {
        if (!(thrown instanceof WaggleError)) throw thrown
        onNotice(`the certificate stays as it was: ${thrown.message}`)
      }
      cancel = clock.after(lookMs, look)
    }
    cancel = clock.after(lookMs, look)
    return () => cancel()
  }

  #reload(server: Server): void {
    const fingerprint = this.#fingerprintNow()
    if (fingerprint === this.#fingerprint) return
    // The files count as seen even if they do not fit together. The next attempt then needs another change.
    this.#fingerprint = fingerprint
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

  /** A text that differs after each change of a file. If the path is a link, a change of its target counts too. */
  #fingerprintNow(): string {
    const { cert, key, clientCa } = this.#paths
    return [cert, key, clientCa].map((path) => (path === null ? '' : fingerprintOf(path))).join()
  }
}

function fingerprintOf(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path)
    return `${ino} ${size} ${mtimeMs}`
  } catch (thrown) {
    // The later reading of the file reports the reason.
    return String((thrown as NodeJS.ErrnoException).code)
  }
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
