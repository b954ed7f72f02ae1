import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LookupFunction } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AllowedHosts } from '../../../connectors/http/allowed-hosts.ts'
import { WebObjects } from '../../../connectors/objects/web-objects.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { objectStoreContract } from '../../contract/object-store.ts'
import { hastyClock } from '../../support/hasty-clock.ts'
import { WebServer } from '../../support/web-server.ts'

objectStoreContract('A web server', async () => {
  const server = await WebServer.start()
  return {
    store: new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: systemClock }),
    put: async (key, content) => server.put(key, content),
    remove: async (key) => server.remove(key),
    addressOf: (key) => server.addressOf(key),
    goAway: async () => server.goAway(),
    comeBack: async () => {
      server.isAway = false
    },
    close: () => server[Symbol.asyncDispose](),
  }
})

describe('A file of a web server', () => {
  const store = new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: systemClock })
  const lookAt = (address: string, from = store) => from.look(address, never)

  const refusedFor = async (answer: (request: IncomingMessage, response: ServerResponse) => boolean) => {
    await using server = await WebServer.start()
    server.answer = answer
    return await store.look(server.addressOf('model.bin'), never).then(
      () => null,
      (thrown: unknown) => thrown as { readonly code: string; readonly message: string },
    )
  }

  it('is fetched with the labels beside it, but without them if its address has a query', async () => {
    await using server = await WebServer.start()
    for (const name of ['iris.onnx', 'iris.labels.txt']) server.put(name, 'honey')
    const paths = async (address: string) => (await lookAt(address)).objects.map(({ path }) => path)
    assert.deepEqual(await paths(server.addressOf('iris.onnx')), ['iris.onnx', 'iris.labels.txt'])
    assert.deepEqual(await paths(server.addressOf('iris.onnx?signature=abc')), ['iris.onnx'])
  })

  it('is refused if its server is not in the list, and the server gets no request', async () => {
    await using server = await WebServer.start()
    server.put('a.bin', 'honey')
    const none = new WebObjects({ hosts: AllowedHosts.parse('models.example'), clock: systemClock })
    await assert.rejects(lookAt(server.addressOf('a.bin'), none), { code: 'WAGGLE_MODEL_SOURCE', next: /WAGGLE_MODEL_HOSTS/ })
    assert.deepEqual(server.asked, [])
  })

  it('is fetched along a redirect to the same server, but not along a redirect to another server, port or protocol', async () => {
    await using server = await WebServer.start()
    await using other = await WebServer.start()
    server.put('there.bin', 'honey')
    other.put('there.bin', 'honey')
    let location = '/there.bin'
    server.answer = ({ url }, response) => {
      if (url !== '/model.bin') return false
      response.writeHead(302, { location }).end()
      return true
    }
    assert.equal((await lookAt(server.addressOf('model.bin'))).objects[0]?.bytes, 5)
    for (const elsewhere of [
      other.addressOf('there.bin'),
      server.addressOf('there.bin').replace('http:', 'https:'),
      'http://169.254.169.254/',
      'file:///etc/passwd',
    ]) {
      location = elsewhere
      await assert.rejects(lookAt(server.addressOf('model.bin')), { code: 'WAGGLE_MODEL_REFUSED', message: /sends on to/ }, elsewhere)
    }
    assert.deepEqual(other.asked, [])
    location = '/model.bin'
    await assert.rejects(lookAt(server.addressOf('model.bin')), { code: 'WAGGLE_MODEL_REFUSED', message: /more than 5 times/ })
  })

  it('is not fetched if an allowed name leads to a private address', async () => {
    await using server = await WebServer.start()
    server.put('a.bin', 'honey')
    const { port } = new URL(server.addressOf(''))
    const rebound: LookupFunction = (_hostname, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }])
    const address = `https://models.example:${port}/a.bin`
    const named = new WebObjects({ hosts: AllowedHosts.parse('models.example'), clock: systemClock, lookup: rebound })
    await assert.rejects(lookAt(address, named), { code: 'WAGGLE_MODEL_REFUSED', message: /private network/, next: /WAGGLE_MODEL_HOSTS/ })
    assert.deepEqual(server.asked, [])
    const both = new WebObjects({ hosts: AllowedHosts.parse('models.example, 127.0.0.0/8'), clock: systemClock, lookup: rebound })
    // The private address is allowed now, so Waggle connects. The call fails because the server at this port does not speak TLS.
    await assert.rejects(lookAt(address, both), (thrown: unknown) => !/private network/.test(String(thrown)))
  })

  it('is fetched over TLS only with a certificate of a known authority for that name', async () => {
    const { key, cert } = certificate('IP:127.0.0.1')
    await using server = await WebServer.start({ key, cert })
    server.put('a.bin', 'honey')
    const options = { hosts: AllowedHosts.parse('127.0.0.1, localhost'), clock: systemClock }
    const trusting = new WebObjects({ ...options, ca: cert })
    assert.equal((await lookAt(server.addressOf('a.bin'), trusting)).objects[0]?.bytes, 5)
    await assert.rejects(lookAt(server.addressOf('a.bin')), {
      code: 'WAGGLE_MODEL_REFUSED',
      message: /certificate is not valid/,
      next: /NODE_EXTRA_CA_CERTS/,
    })
    const otherName = server.addressOf('a.bin').replace('127.0.0.1', 'localhost')
    await assert.rejects(lookAt(otherName, trusting), { code: 'WAGGLE_MODEL_REFUSED', message: /certificate is not valid/ })
  })

  it('is refused with the reason if an answer cannot be the file', async () => {
    const cases: readonly (readonly [RegExp, string, (response: ServerResponse) => void])[] = [
      [/said 403/, 'WAGGLE_MODEL_REFUSED', (response) => void response.writeHead(403).end()],
      [/said 401/, 'WAGGLE_MODEL_REFUSED', (response) => void response.writeHead(401).end()],
      [/said 404/, 'WAGGLE_MODEL_NOT_FOUND', (response) => void response.writeHead(404).end()],
      [/said 500/, 'WAGGLE_MODEL_UNREACHABLE', (response) => void response.writeHead(500).end()],
      [/said 429/, 'WAGGLE_MODEL_UNREACHABLE', (response) => void response.writeHead(429).end()],
      [/how large it is/, 'WAGGLE_MODEL_REFUSED', (response) => void response.writeHead(200).write('honey')],
      [
        /encoding gzip/,
        'WAGGLE_MODEL_REFUSED',
        (response) => void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 5 }).end('honey'),
      ],
      [/bytes of headers/, 'WAGGLE_MODEL_REFUSED', (response) => void response.writeHead(200, { honey: 'h'.repeat(20_000) }).end()],
      [
        /how large it is/,
        'WAGGLE_MODEL_REFUSED',
        (response) => void response.writeHead(206, { 'content-range': `bytes 0-0/${'9'.repeat(40)}` }).end('h'),
      ],
    ]
    for (const [message, code, answer] of cases) {
      const error = await refusedFor((_, response) => {
        answer(response)
        return true
      })
      assert.equal(error?.code, code, `${message}: ${error?.message}`)
      assert.match(error.message, message)
    }
  })

  it('is not waited for without end if the server accepts the connection and sends nothing', async () => {
    await using server = await WebServer.start()
    server.answer = () => true
    const hasty = new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: hastyClock(1000) })
    await assert.rejects(lookAt(server.addressOf('a.bin'), hasty), { code: 'WAGGLE_MODEL_UNREACHABLE', message: /did not answer within 30 s/ })
  })

  it('is refused at once if the server switches to another protocol', async () => {
    await using server = await WebServer.start()
    server.answer = (_, response) => {
      response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
      return true
    }
    const slow = new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: { ...systemClock, after: () => () => {} } })
    const limit = AbortSignal.timeout(20_000)
    const look = slow.look(server.addressOf('a.bin'), limit)
    await assert.rejects(Promise.race([look, once(limit, 'abort').then(() => null)]), {
      code: 'WAGGLE_MODEL_UNREACHABLE',
      message: /ended without an answer/,
    })
  })

  it('is shown without the query of its address, which may be a signature', async () => {
    await using server = await WebServer.start()
    await assert.rejects(lookAt(server.addressOf('a.bin?signature=secret')), (thrown: unknown) => {
      assert.doesNotMatch(String(thrown), /secret/)
      return true
    })
  })
})

/** A key, and a certificate that is its own authority. */
function certificate(name: string): { readonly key: string; readonly cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-web-tls-'))
  try {
    const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')]
    const names = ['-subj', '/CN=models', '-addext', `subjectAltName=${name}`]
    const made = spawnSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '7', ...names, ...files],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(made.status, 0, made.stderr)
    return { key: readFileSync(join(directory, 'key.pem'), 'utf8'), cert: readFileSync(join(directory, 'cert.pem'), 'utf8') }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const never = new AbortController().signal
