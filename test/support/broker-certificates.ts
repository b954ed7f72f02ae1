import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The files of a broker's certificate for 127.0.0.1 and of a client's certificate, made by Java's keytool and openssl. They are removed when the
 * process ends.
 */
export class BrokerCertificates {
  readonly #directory = mkdtempSync(join(tmpdir(), 'waggle-tls-'))
  /** The broker's certificate, which is its own authority (PEM). */
  readonly ca = join(this.#directory, 'broker.pem')
  /** The client's certificate and key (PEM). */
  readonly clientCert = join(this.#directory, 'client.pem')
  readonly clientKey = join(this.#directory, 'client.key')

  constructor() {
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }))
  }

  /** Makes the files, and returns the settings of a broker whose clients' listener uses the files. */
  brokerSettings(): { readonly [name: string]: string } {
    const store = join(this.#directory, 'broker.p12')
    this.#pair('broker', 'CN=127.0.0.1')
    run('keytool', ['-exportcert', ...this.#named('broker'), '-rfc', '-file', this.ca])
    return {
      'listener.name.client.ssl.keystore.location': store,
      'listener.name.client.ssl.keystore.type': 'PKCS12',
      'listener.name.client.ssl.keystore.password': password,
    }
  }

  /** Returns the same settings as `brokerSettings`, for a broker that accepts only clients with the client's certificate. */
  brokerSettingsForClients(): { readonly [name: string]: string } {
    const settings = this.brokerSettings()
    this.#pair('client', 'CN=bees')
    run('keytool', ['-exportcert', ...this.#named('client'), '-rfc', '-file', this.clientCert])
    const [from, to] = [join(this.#directory, 'client.p12'), this.clientKey]
    run('openssl', ['pkcs12', '-in', from, '-nocerts', '-nodes', '-passin', `pass:${password}`, '-out', to])
    const trusted = join(this.#directory, 'trusted.p12')
    const store = ['-keystore', trusted, '-storepass', password, '-storetype', 'PKCS12']
    run('keytool', ['-importcert', '-noprompt', '-alias', 'client', '-file', this.clientCert, ...store])
    return {
      ...settings,
      'listener.name.client.ssl.client.auth': 'required',
      'listener.name.client.ssl.truststore.location': trusted,
      'listener.name.client.ssl.truststore.type': 'PKCS12',
      'listener.name.client.ssl.truststore.password': password,
    }
  }

  #pair(name: string, subject: string): void {
    run('keytool', ['-genkeypair', ...this.#named(name), '-keyalg', 'EC', '-dname', subject, '-ext', 'san=ip:127.0.0.1', '-validity', '7'])
  }

  #named(name: string): readonly string[] {
    return ['-alias', name, '-keystore', join(this.#directory, `${name}.p12`), '-storepass', password, '-storetype', 'PKCS12']
  }
}

const password = 'changeit'

function run(program: string, argv: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, argv, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? ''}${stdout}${stderr}`)
}
