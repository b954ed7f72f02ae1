import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { TlsFiles } from '../../../connectors/http/tls-files.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { Clock } from '../../../processor/ports.ts'
import { openEchoGateway } from '../../support/echo-gateway.ts'
import { Certificates } from '../../support/serving/certificates.ts'

/** A clock that calls due timers when the test asks for it. */
class SteppedClock implements Clock {
  #due: (() => void)[] = []
  now = () => systemClock.now()
  elapsedMs = () => systemClock.elapsedMs()
  after(_: number, callback: () => void): () => void {
    this.#due.push(callback)
    return () => {
      this.#due = this.#due.filter((one) => one !== callback)
    }
  }
  step(): void {
    for (const callback of this.#due.splice(0)) callback()
  }
}

describe('A gateway with a certificate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-tls-'))
  let first: Certificates
  let second: Certificates
  before(() => {
    first = new Certificates()
    second = new Certificates()
  })
  after(() => {
    for (const certificates of [first, second]) certificates[Symbol.dispose]()
    rmSync(directory, { recursive: true })
  })

  /** The status of a health check over TLS, or the code of the error. */
  function statusOf(url: string, options: ConnectionOptions): Promise<number | string> {
    return new Promise((resolve) => {
      const asked = request(`${url}/healthz`, { ...options, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      asked.end()
    })
  }

  async function serialAt(url: string): Promise<string> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }

  const serialOf = (file: string) => new X509Certificate(readFileSync(file)).serialNumber

  it('speaks only HTTPS', async () => {
    const gateway = await openEchoGateway({ tls: new TlsFiles({ ...first.server, clientCa: null }) })
    try {
      assert.match(gateway.url, /^https:\/\/127\.0\.0\.1:\d+$/)
      assert.equal(await statusOf(gateway.url, { ca: readFileSync(first.ca) }), 200)
      assert.notEqual(await statusOf(gateway.url, { ca: readFileSync(second.ca) }), 200)
      const plain = connectPlain(Number(new URL(gateway.url).port), '127.0.0.1')
      plain.on('error', () => {})
      plain.end('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
      const heard: Buffer[] = []
      plain.on('data', (bytes: Buffer) => heard.push(bytes))
      await once(plain, 'close')
      assert.equal(Buffer.concat(heard).toString('latin1').includes('HTTP/1.1 200'), false)
    } finally {
      await gateway.close()
    }
  })

  it('refuses a client without a certificate of the configured authority', async () => {
    const gateway = await openEchoGateway({ tls: new TlsFiles({ ...first.server, clientCa: first.ca }) })
    try {
      const ca = readFileSync(first.ca)
      const client = ({ cert, key }: Certificates['client']) => ({ ca, cert: readFileSync(cert), key: readFileSync(key) })
      assert.equal(await statusOf(gateway.url, client(first.client)), 200)
      assert.notEqual(await statusOf(gateway.url, client(second.client)), 200)
      assert.notEqual(await statusOf(gateway.url, { ca }), 200)
    } finally {
      await gateway.close()
    }
  })

  it('uses a new certificate for new connections, and keeps the old certificate while the new files do not fit together', async () => {
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
    const replace = (from: string, to: string) => {
      copyFileSync(from, `${to}.next`)
      renameSync(`${to}.next`, to)
    }
    replace(first.server.cert, cert)
    replace(first.server.key, key)
    const clock = new SteppedClock()
    const notices: string[] = []
    const gateway = await openEchoGateway({ clock, tls: new TlsFiles({ cert, key, clientCa: null }), onNotice: (notice) => notices.push(notice) })
    try {
      assert.equal(await serialAt(gateway.url), serialOf(first.server.cert))
      replace(second.server.cert, cert)
      clock.step()
      assert.equal(await serialAt(gateway.url), serialOf(first.server.cert))
      assert.match(notices.splice(0).join(), /^the certificate stays as it was: .*are not a certificate and its key/)
      replace(second.server.key, key)
      clock.step()
      assert.equal(await serialAt(gateway.url), serialOf(second.server.cert))
      rmSync(cert)
      clock.step()
      assert.match(notices.splice(0).join(), /cert\.pem cannot be read/)
      assert.equal(await serialAt(gateway.url), serialOf(second.server.cert))
    } finally {
      await gateway.close()
    }
  })

  it('keeps its certificate when a file becomes a circular link', async () => {
    const folder = mkdtempSync(join(directory, 'folder-'))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    copyFileSync(first.server.cert, cert)
    copyFileSync(first.server.key, key)
    const clock = new SteppedClock()
    const notices: string[] = []
    const gateway = await openEchoGateway({ clock, tls: new TlsFiles({ cert, key, clientCa: null }), onNotice: (notice) => notices.push(notice) })
    try {
      rmSync(cert)
      symlinkSync(cert, cert)
      clock.step()
      assert.match(notices.splice(0).join(), /cert\.pem cannot be read \(ELOOP\)/)
      assert.equal(await serialAt(gateway.url), serialOf(first.server.cert))
    } finally {
      await gateway.close()
    }
  })

  it('does not start with files that are not a certificate and its key', async () => {
    const rubbish = join(directory, 'rubbish.pem')
    writeFileSync(rubbish, 'no certificate')
    for (const paths of [
      { cert: rubbish, key: first.server.key },
      { cert: first.server.cert, key: second.server.key },
    ])
      await assert.rejects(openEchoGateway({ tls: new TlsFiles({ ...paths, clientCa: null }) }), { code: 'WAGGLE_TLS' })
    await assert.rejects(openEchoGateway({ tls: new TlsFiles({ cert: '/nowhere', key: rubbish, clientCa: null }) }), { code: 'WAGGLE_TLS' })
  })
})
