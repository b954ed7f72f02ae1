import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { absenceOf, DockerEngine } from '../../../connectors/docker/docker-engine.ts'
import { ImageRegistries } from '../../../connectors/docker/image-registries.ts'
import { Images } from '../../../connectors/docker/images.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { WaggleError } from '../../../topology/waggle-error.ts'

describe('The image of a bee', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-images-'))
  const servers: Server[] = []
  after(() => {
    for (const server of servers) server.close()
    rmSync(directory, { recursive: true })
  })

  /** A Docker that responds with `answers`, by method and path. */
  async function engineOf(answers: { readonly [call: string]: readonly [status: number, body: unknown] }): Promise<DockerEngine> {
    const socketPath = join(directory, `${servers.length}.sock`)
    const server = createServer((request, response) => {
      const [status, body] = answers[`${request.method} ${(request.url ?? '').split('?')[0]}`] ?? [404, { message: 'no such thing' }]
      response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body))
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    return new DockerEngine({ socketPath })
  }

  function find(engine: DockerEngine, image: string, lines: string[] = [], registries = new ImageRegistries(null)) {
    return new Images({ engine, clock: systemClock, registries }).find(image, { bee: 'svm', log: (_, line) => void lines.push(line) })
  }

  it('cannot be found without Docker, and the error says how to continue without Docker', async () => {
    await assert.rejects(
      find(new DockerEngine({ socketPath: join(directory, 'none.sock') }), 'far/away:1'),
      ({ code, message, next }: WaggleError) => {
        assert.equal(code, 'WAGGLE_NOT_RESOLVED')
        assert.equal(message, `svm names the image far/away:1, and there is no Docker at ${join(directory, 'none.sock')}`)
        assert.equal(
          next,
          'Start Docker, or map the image to a command of this machine, in waggle.yaml beside the swarm: resolve: {"far/away:1": [program, argument]}.',
        )
        return true
      },
    )
  })

  it('cannot be found if Docker’s socket refuses the connection, and the error names the cause', () => {
    const refusal = (code: string) => absenceOf(Object.assign(new Error('connect'), { code }), '/var/run/docker.sock')
    assert.match(refusal('EACCES'), /^this user may not use the Docker at \/var\/run\/docker\.sock: add it to the socket’s group/)
    assert.equal(refusal('ECONNREFUSED'), 'no Docker listens at /var/run/docker.sock')
    assert.equal(refusal('ECONNRESET'), 'the Docker at /var/run/docker.sock does not answer (connect)')
  })

  it('is pulled from an allowed registry alone, and an image that Docker has needs none', async () => {
    const engine = await engineOf({ 'GET /_ping': [200, 'OK'], 'POST /images/create': [404, { message: 'asked the registry' }] })
    const names = [
      'localhost/a:1',
      'localhost:5000/a:1',
      '127.0.0.1:5000/a:1',
      '169.254.169.254/a',
      '[::1]:5000/a',
      'db.inside/a',
      'docker.io.evil.example/a',
    ]
    for (const name of names) await assert.rejects(find(engine, name), { code: 'WAGGLE_IMAGE_REFUSED', next: /WAGGLE_IMAGE_HOSTS=/ }, name)
    const asked = { code: 'WAGGLE_NOT_RESOLVED', message: /asked the registry/ }
    for (const name of ['a', 'far/a:1', 'docker.io/far/a', 'index.docker.io/far/a', 'ghcr.io/far/a@sha256:00'])
      await assert.rejects(find(engine, name), asked, name)
    const named = new ImageRegistries('localhost:5000,10.0.0.0/8')
    for (const name of ['localhost:5000/a:1', '10.1.2.3:5000/a']) await assert.rejects(find(engine, name, [], named), asked, name)
    for (const name of ['localhost:5001/a:1', 'far/a:1']) await assert.rejects(find(engine, name, [], named), { code: 'WAGGLE_IMAGE_REFUSED' }, name)
    const has = await engineOf({
      'GET /_ping': [200, 'OK'],
      'GET /images/localhost:5000/a:1/json': [200, { Id: 'a', Os: 'linux', Architecture: 'amd64' }],
      'GET /version': [200, { Os: 'linux', Arch: 'amd64' }],
    })
    assert.equal((await find(has, 'localhost:5000/a:1')).id, 'a')
  })

  it('leads to an error with Docker’s reason and the next step if it does not exist', async () => {
    const engine = await engineOf({
      'GET /_ping': [200, 'OK'],
      'POST /images/create': [404, { message: 'pull access denied for far/away, repository does not exist or may require docker login' }],
    })
    const lines: string[] = []
    await assert.rejects(find(engine, 'far/away', lines), ({ code, message, next }: WaggleError) => {
      assert.equal(code, 'WAGGLE_NOT_RESOLVED')
      assert.match(message, /^svm names the image far\/away, which is not on this machine and cannot be pulled: pull access denied/)
      assert.match(next, /run docker pull far\/away by hand; or map the image to a command .*resolve: \{"far\/away": \[program, argument\]\}/)
      return true
    })
    assert.deepEqual(lines, ['far/away is not on this machine: pulling it'])
  })

  it('leads to an error if its pull breaks off', async () => {
    const engine = await engineOf({
      'GET /_ping': [200, 'OK'],
      'POST /images/create': [
        200,
        '{"status":"Pulling from far/away","id":"1"}\n{"error":"unexpected EOF","errorDetail":{"message":"unexpected EOF"}}\n',
      ],
    })
    await assert.rejects(find(engine, 'far/away:1'), /cannot be pulled: .*unexpected EOF/)
  })

  it('is reported as unsuitable if it is for another processor', async () => {
    const engine = await engineOf({
      'GET /_ping': [200, 'OK'],
      'GET /images/far/away:1/json': [200, { Id: 'sha256:1', Os: 'linux', Architecture: 'arm64', Config: { User: 'node' } }],
      'GET /version': [200, { Os: 'linux', Arch: 'amd64' }],
    })
    assert.deepEqual(await find(engine, 'far/away:1'), {
      name: 'far/away:1',
      id: 'sha256:1',
      user: 'node',
      isChecked: false,
      misfit: 'its image is for linux/arm64, and this Docker runs linux/amd64',
    })
  })

  it('is reported as present or absent, and as unknown if there is no Docker', async () => {
    const engine = await engineOf({ 'GET /images/here:1/json': [200, { Id: 'sha256:1' }] })
    assert.equal(await engine.hasImage('here:1'), true)
    assert.equal(await engine.hasImage('away:1'), false)
    assert.equal(await new DockerEngine({ socketPath: join(directory, 'none.sock') }).hasImage('here:1'), null)
  })
})
