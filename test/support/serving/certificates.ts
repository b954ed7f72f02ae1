import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * PEM files of an authority, and of a server (127.0.0.1) and a client whose certificates the authority has signed. The files are removed when the
 * object is disposed of.
 */
export class Certificates implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'waggle-serving-tls-'))
  readonly ca = this.#path('ca.crt')
  readonly server = { cert: this.#path('server.crt'), key: this.#path('server.key') }
  readonly client = { cert: this.#path('client.crt'), key: this.#path('client.key') }

  constructor() {
    this.#openssl('req', '-x509', ...newKey, '-keyout', this.#path('ca.key'), '-out', this.ca, '-days', '2', '-subj', '/CN=authority')
    writeFileSync(this.#path('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    for (const name of ['server', 'client']) {
      const request = this.#path(`${name}.csr`)
      this.#openssl('req', ...newKey, '-keyout', this.#path(`${name}.key`), '-out', request, '-subj', `/CN=${name}`)
      const signed = ['-CA', this.ca, '-CAkey', this.#path('ca.key'), '-CAcreateserial', '-extfile', this.#path('names'), '-days', '2']
      this.#openssl('x509', '-req', '-in', request, '-out', this.#path(`${name}.crt`), ...signed)
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  #openssl(...args: readonly string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
