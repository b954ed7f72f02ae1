import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { EncryptedSecrets } from '../../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../../connectors/secrets/secret-keys.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'
import type { Settings } from '../../../ops/config/settings.ts'
import { freePort, freePortPair } from '../free-port.ts'
import { GrpcCaller } from '../grpc-caller.ts'
import { connected, heard } from '../raw-http.ts'
import { Certificates } from '../serving/certificates.ts'
import { type Env, eventually, SwarmHere } from '../swarm-here.ts'
import { startWritableClickHouse } from '../writable-clickhouse.ts'

/** Flips one setting, and checks that the documented effect changes. */
export type Flip = () => Promise<void>

/** One flip for each setting that needs no Kafka. */
export const embeddedFlips = {
  async http_port() {
    const port = await freePort()
    await using there = await SwarmHere.open({ WAGGLE_HTTP_PORT: String(port) })
    assert.equal(new URL(there.url).port, String(port))
    await using elsewhere = await SwarmHere.open({ WAGGLE_HTTP_PORT: '0' })
    assert.notEqual(new URL(elsewhere.url).port, String(port))
  },

  async grpc_port() {
    const isHealthy = async (address: string) => {
      const caller = new GrpcCaller(address)
      const { status } = await caller.call('grpc.health.v1.Health/Check', {}, { timeoutMs: 10_000 })
      caller.close()
      return status === 'OK'
    }
    const http = await freePortPair()
    const port = http + 1
    await using there = await SwarmHere.open({ WAGGLE_GRPC_PORT: String(port) })
    assert.deepEqual([there.grpc, await isHealthy(there.grpc)], [`127.0.0.1:${port}`, true])
    await assert.rejects(SwarmHere.open({ WAGGLE_GRPC_PORT: String(port) }), { code: 'WAGGLE_PORT_IN_USE' })
    // Without the setting, the port is the next one after the HTTP port. If that port is in use, there is a warning.
    await using beside = await SwarmHere.open({ WAGGLE_HTTP_PORT: String(http) })
    assert.equal(beside.grpc, '')
    assert.ok(
      beside.said.some((line) => /^warn there is no gRPC: Port \d+ of 127\.0\.0\.1 is in use/.test(line)),
      beside.said.join('\n'),
    )
  },

  async host() {
    await using swarm = await SwarmHere.open({ WAGGLE_HOST: '127.0.0.2' })
    assert.equal(new URL(swarm.url).hostname, '127.0.0.2')
    assert.equal((await swarm.ask({ number: 1 })).status, 200)
    await assert.rejects(SwarmHere.open({ WAGGLE_HOST: '0.0.0.0' }), { code: 'WAGGLE_NOT_LOOPBACK' })
    await using beyond = await SwarmHere.open({ WAGGLE_HOST: '0.0.0.0', WAGGLE_TOKENS: askingToken })
    const response = await fetch(`${beyond.url.replace('0.0.0.0', '127.0.0.1')}/v1/process`)
    assert.equal(response.status, 401)
    assert.ok(
      beyond.said.some((line) => /^warn listening on 0\.0\.0\.0 without TLS/.test(line)),
      beyond.said.join('\n'),
    )
  },

  async tls_cert() {
    using certificates = new Certificates()
    const { cert, key } = certificates.server
    await using plain = await SwarmHere.open({})
    assert.equal(new URL(plain.url).protocol, 'http:')
    await using safe = await SwarmHere.open({ WAGGLE_TLS_CERT: cert, WAGGLE_TLS_KEY: key })
    assert.equal(new URL(safe.url).protocol, 'https:')
  },

  async tls_key() {
    using certificates = new Certificates()
    const { cert } = certificates.server
    await assert.rejects(SwarmHere.open({ WAGGLE_TLS_CERT: cert }), /tls_key is missing/)
    await assert.rejects(SwarmHere.open({ WAGGLE_TLS_CERT: cert, WAGGLE_TLS_KEY: certificates.client.key }), { code: 'WAGGLE_TLS' })
  },

  async tls_client_ca() {
    using certificates = new Certificates()
    const { cert, key } = certificates.server
    const isLetIn = async (env: Env) => {
      await using swarm = await SwarmHere.open({ WAGGLE_TLS_CERT: cert, WAGGLE_TLS_KEY: key, ...env })
      return await new Promise<boolean>((resolve) => {
        const asked = request(`${swarm.url}/healthz`, { ca: readFileSync(certificates.ca), agent: false }, (response) => {
          response.resume()
          response.once('end', () => resolve(true))
        })
        asked.once('error', () => resolve(false))
        asked.end()
      })
    }
    assert.deepEqual([await isLetIn({}), await isLetIn({ WAGGLE_TLS_CLIENT_CA: certificates.ca })], [true, false])
  },

  async tokens() {
    await using open = await SwarmHere.open({})
    assert.equal((await open.ask({ number: 1 })).status, 200)
    await using closed = await SwarmHere.open({ WAGGLE_TOKENS: askingToken })
    assert.deepEqual(await statusesOfAsker(closed), [401, 200])
  },

  async tokens_file() {
    await using directory = temporaryDirectory()
    const file = join(directory.path, 'tokens')
    writeFileSync(file, `# of the shop\n${askingToken}\n`)
    await using swarm = await SwarmHere.open({ WAGGLE_TOKENS_FILE: file })
    assert.deepEqual(await statusesOfAsker(swarm), [401, 200])
  },

  async hosts() {
    const statusFor = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const socket = await connected(swarm.url)
      socket.write('GET /healthz HTTP/1.1\r\nhost: bees.example\r\nconnection: close\r\n\r\n')
      return (await heard(socket))[0]?.status
    }
    assert.deepEqual([await statusFor({}), await statusFor({ WAGGLE_HOSTS: 'bees.example' })], [421, 200])
  },

  async dev() {
    const folder = mkdtempSync(join(tmpdir(), 'waggle-dev-'))
    const file = join(folder, 'work.py')
    const write = (answer: string) =>
      writeFileSync(file, `from waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return ${JSON.stringify(answer)}\n`)
    write('before')
    const bees = `  - {name: work, type: python, input: {name: entrance}, spec: {file: ${JSON.stringify(file)}, bee: work}}\n  - {name: answer, type: respond, input: {name: work}}`
    await using developed = await SwarmHere.open({ WAGGLE_DEV: '1' }, { bees })
    await using usual = await SwarmHere.open({}, { bees })
    const answerOf = async (swarm: SwarmHere) => (await swarm.ask(1)).json()
    assert.deepEqual([await answerOf(developed), await answerOf(usual)], ['before', 'before'])
    write('a later answer')
    await eventually(async () => (await answerOf(developed)) === 'a later answer')
    assert.equal(await answerOf(usual), 'before')
    rmSync(folder, { recursive: true })
  },

  async max_connections() {
    const statusBesideAnother = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const slow = await connected(swarm.url)
      slow.write(`POST /v1/gateways/${swarm.name}/request HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n`)
      // The gateway asks for the body, so the request is in progress.
      await once(slow, 'data')
      const { status } = await swarm.ask({ number: 1 })
      slow.destroy()
      return status
    }
    assert.deepEqual([await statusBesideAnother({}), await statusBesideAnother({ WAGGLE_MAX_CONNECTIONS: '1' })], [200, 503])
  },

  async data_dir() {
    await using directory = temporaryDirectory()
    const path = join(directory.path, 'of-this-swarm')
    await using _ = await SwarmHere.open({ WAGGLE_DATA_DIR: path })
    assert.ok(existsSync(join(path, 'log')))
  },

  async log() {
    await using _ = await SwarmHere.open({ WAGGLE_LOG: 'embedded', KAFKA_BROKERS: '127.0.0.1:1' })
    await assert.rejects(SwarmHere.open({ WAGGLE_LOG: 'kafka', KAFKA_BROKERS: '127.0.0.1:1' }), { code: 'WAGGLE_LOG_UNREACHABLE' })
  },

  async log_level() {
    const isStackShown = async (level: string) => {
      await using directory = temporaryDirectory()
      const file = join(directory.path, 'swarm.yaml')
      const entrance = '  - {name: entrance, type: gateway-input, spec: {name: door}}'
      const fails = '  - {name: model, type: module, input: {name: entrance}, spec: {file: ./fails.mjs}}'
      writeFileSync(file, `name: loud\nbees:\n${entrance}\n${fails}\n${answer}\n`)
      writeFileSync(join(directory.path, 'fails.mjs'), "export default () => { throw new Error('no honey') }\n")
      const env = { WAGGLE_DATA_DIR: join(directory.path, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_LOG_LEVEL: level }
      const program = await MeasuredProgram.start([main, 'run', file, '--json'], env)
      const init = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
      assert.equal((await fetch(`${program.ready.gateway}/v1/gateways/door/request`, init)).status, 502)
      assert.equal(await program.stop(), 0)
      assert.match(program.lastWords, /no honey/)
      return program.lastWords.includes('"stack"')
    }
    assert.deepEqual([await isStackShown('info'), await isStackShown('info,model=debug')], [false, true])
  },

  async log_format() {
    const lastLine = async (format: string) => {
      await using directory = temporaryDirectory()
      const file = join(directory.path, 'swarm.yaml')
      writeFileSync(file, `name: shaped\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: shaped}}\n`)
      const env = { ...process.env, WAGGLE_DATA_DIR: join(directory.path, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_LOG_FORMAT: format }
      const child = spawnEnding(process.execPath, [main, 'run', file], { stdio: ['ignore', 'pipe', 'pipe'], env })
      const said: string[] = []
      child.stderr?.setEncoding('utf8').on('data', (text: string) => said.push(text))
      child.stdout?.once('data', () => child.kill('SIGTERM'))
      await once(child, 'close')
      return said.join('').trim().split('\n').at(-1) ?? ''
    }
    assert.equal(await lastLine('text'), 'Stopped.')
    for (const format of ['auto', 'json']) assert.equal(JSON.parse(await lastLine(format)).event, 'stopped')
  },

  async model_hosts() {
    await using web = await modelServer()
    await using swarm = await SwarmHere.open({ WAGGLE_MODEL_HOSTS: '127.0.0.1' }, web.swarm)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await assert.rejects(SwarmHere.open({}, web.swarm), { code: 'WAGGLE_MODEL_SOURCE' })
  },

  async model_cache_bytes() {
    await using web = await modelServer()
    const hosts = { WAGGLE_MODEL_HOSTS: '127.0.0.1' }
    await using swarm = await SwarmHere.open(hosts, web.swarm)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await assert.rejects(SwarmHere.open({ ...hosts, WAGGLE_MODEL_CACHE_BYTES: '20' }, web.swarm), { code: 'WAGGLE_MODEL_TOO_LARGE' })
  },

  async model_memory_bytes() {
    await using web = await modelServer()
    const hosts = { WAGGLE_MODEL_HOSTS: '127.0.0.1' }
    await using swarm = await SwarmHere.open(hosts, web.swarm)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await assert.rejects(SwarmHere.open({ ...hosts, WAGGLE_MODEL_MEMORY_BYTES: '20' }, web.swarm), {
      code: 'WAGGLE_MODEL_TOO_LARGE',
      message: /needs at least \d+ bytes of memory, and this process may take 20 more/,
    })
  },

  async http_call_hosts() {
    const service = createServer((_, response) => response.setHeader('content-type', 'application/json').end('{"called":true}')).listen(
      0,
      '127.0.0.1',
    )
    await using _ = { [Symbol.asyncDispose]: async () => void service.close() }
    await once(service, 'listening')
    const bees = `  - {name: model, type: http-call, input: {name: entrance}, spec: {url: "http://127.0.0.1:${portOf(service)}/"}}\n${answer}`
    await using swarm = await SwarmHere.open({}, { bees })
    assert.deepEqual(await (await swarm.ask({})).json(), { called: true })
    await assert.rejects(SwarmHere.open({ WAGGLE_HTTP_CALL_HOSTS: 'prices.example' }, { bees }), { code: 'WAGGLE_HTTP_CALL_ADDRESS' })
  },

  async postgres_hosts() {
    const bees = `  - {name: model, type: postgres, input: {name: entrance}, spec: {db: "postgres://a:b@127.0.0.1:1/c", query: "SELECT 1"}}\n${answer}`
    await using swarm = await SwarmHere.open({}, { bees })
    const { code } = (await (await swarm.ask({})).json()) as { readonly code: string }
    assert.equal(code, 'WAGGLE_POSTGRES_AWAY')
    await assert.rejects(SwarmHere.open({ WAGGLE_POSTGRES_HOSTS: 'db.example' }, { bees }), {
      code: 'WAGGLE_POSTGRES_HOST',
      message: /127\.0\.0\.1:1 is not in the list/,
    })
  },

  async python_requirements() {
    const bees = `  - {name: model, type: python, input: {name: entrance}, spec: {file: ./work.py, bee: work}}\n${answer}`
    const files = {
      'work.py': 'from waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return payload\n',
      'requirements.txt': '--index-url http://10.0.0.1/\n',
    }
    await assert.rejects(SwarmHere.open({}, { bees, files }), {
      code: 'WAGGLE_REQUIREMENT_REFUSED',
      message: /requirements\.txt:1 has the option --index-url/,
    })
    await using swarm = await SwarmHere.open({ WAGGLE_PYTHON_REQUIREMENTS: 'anything' }, { bees, files })
    assert.equal(await (await swarm.ask(7)).json(), 7)
  },

  async image_hosts() {
    await using directory = temporaryDirectory()
    const socket = join(directory.path, 'docker.sock')
    const docker = createServer(({ url = '' }, response) => {
      response.writeHead(url.endsWith('/_ping') ? 200 : 404, { 'content-type': 'application/json' }).end('{"message":"asked the registry"}')
    }).listen(socket)
    const before = process.env.DOCKER_HOST
    process.env.DOCKER_HOST = `unix://${socket}`
    await using _ = {
      async [Symbol.asyncDispose]() {
        if (before === undefined) delete process.env.DOCKER_HOST
        else process.env.DOCKER_HOST = before
        docker.close()
      },
    }
    await once(docker, 'listening')
    const bees = `  - {name: model, type: container, input: {name: entrance}, spec: {image: "localhost:5000/a:1"}}\n${answer}`
    await assert.rejects(SwarmHere.open({}, { bees }), { code: 'WAGGLE_IMAGE_REFUSED' })
    await assert.rejects(SwarmHere.open({ WAGGLE_IMAGE_HOSTS: 'localhost:5000' }, { bees }), {
      code: 'WAGGLE_NOT_RESOLVED',
      message: /asked the registry/,
    })
  },

  async secrets_dir() {
    await using directory = temporaryDirectory()
    writeFileSync(join(directory.path, 'KEY'), 'honey\n')
    await using swarm = await SwarmHere.open({ WAGGLE_SECRETS_DIR: directory.path }, { bees: keyReader })
    assert.equal(await (await swarm.ask({})).json(), 'honey'.length)
    await assert.rejects(SwarmHere.open({}, { bees: keyReader }), /there is no secret KEY; Set WAGGLE_SECRET_KEY\./)
  },

  async secrets_key() {
    const key = randomBytes(32).toString('base64')
    await using stored = storedKey(key)
    assert.equal(await keyLength({ WAGGLE_DATA_DIR: stored.path, WAGGLE_SECRETS_KEY: key }), 'honey'.length)
    await assert.rejects(keyLength({ WAGGLE_DATA_DIR: stored.path }), /the secret KEY cannot be decrypted/)
  },

  async secrets_key_file() {
    const [older, newer] = [randomBytes(32).toString('hex'), randomBytes(32).toString('base64')]
    await using stored = storedKey(older)
    const file = join(stored.path, 'keys')
    for (const keys of [`${newer}\n${older}\n`, newer]) {
      writeFileSync(file, keys)
      assert.equal(await keyLength({ WAGGLE_DATA_DIR: stored.path, WAGGLE_SECRETS_KEY_FILE: file }), 'honey'.length)
    }
  },

  async clickhouse_url() {
    await using directory = temporaryDirectory()
    const server = await startWritableClickHouse(directory.path)
    await using _ = { [Symbol.asyncDispose]: () => server.close() }
    await using swarm = await SwarmHere.open({ CLICKHOUSE_URL: server.url }, saving)
    assert.equal(swarm.clickhouseUrl, server.url)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await eventually(async () => (await selected(server.url)) === '1')
  },

  async clickhouse_port() {
    const port = await freePort()
    await using swarm = await SwarmHere.open({ WAGGLE_CLICKHOUSE_PORT: String(port) }, saving)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await eventually(async () => (await selected(`http://127.0.0.1:${port}`)) === '1')
  },

  async schema_registry_url() {
    const calls: string[] = []
    const registry = createServer((request, response) => {
      calls.push(`${request.method} ${request.url}`)
      response.setHeader('content-type', 'application/json').end('{"id":1,"compatibilityLevel":"BACKWARD"}')
    }).listen(0, '127.0.0.1')
    await using _ = { [Symbol.asyncDispose]: async () => void registry.close() }
    await once(registry, 'listening')
    const predicting = { bees: `${model}\n${answer}`, files: saving.files }
    {
      await using _without = await SwarmHere.open({}, predicting)
      assert.equal(calls.length, 0)
    }
    await using swarm = await SwarmHere.open({ SCHEMA_REGISTRY_URL: `http://127.0.0.1:${portOf(registry)}/of-the-bees` }, predicting)
    assert.ok(calls.includes(`POST /of-the-bees/subjects/waggle.${swarm.name}.model-value/versions`), calls.join('\n'))
  },

  async gpu() {
    const asking = { bees: `${model.replace('type: tensor-rt', 'type: tensor-rt, gpu: 1')}\n${answer}`, files: saving.files }
    await using swarm = await SwarmHere.open({ WAGGLE_GPU: 'prefer' }, asking)
    assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
    await assert.rejects(SwarmHere.open({ WAGGLE_GPU: 'require' }, asking), { code: 'WAGGLE_GPU_MISSING' })
  },

  async model_threads() {
    const threads = async (env: Env) => {
      const before = readdirSync('/proc/self/task').length
      await using swarm = await SwarmHere.open(env, { bees: `${model}\n${answer}`, files: saving.files })
      assert.equal((await swarm.ask([1, 0, 9, 9])).status, 200)
      return readdirSync('/proc/self/task').length - before
    }
    // The first swarm of a process also starts threads of libraries.
    await threads({})
    const [few, many] = [await threads({ WAGGLE_MODEL_THREADS: '1' }), await threads({ WAGGLE_MODEL_THREADS: '9' })]
    assert.ok(many >= few + 7, `${few} threads, and ${many}`)
  },

  async partitions() {
    for (const partitions of [1, 7]) {
      await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: String(partitions) })
      assert.equal((await swarm.topic(`gateway.${swarm.name}`))?.partitions, partitions)
    }
  },

  async request_timeout_seconds() {
    await using hasty = await SwarmHere.open({ WAGGLE_REQUEST_TIMEOUT_SECONDS: '0.2' })
    assert.equal((await hasty.ask({ waitMs: 1000 })).status, 504)
    await using patient = await SwarmHere.open({})
    assert.equal((await patient.ask({ waitMs: 1000 })).status, 200)
  },

  async answers_retention_seconds() {
    await using short = await SwarmHere.open({ WAGGLE_ANSWERS_RETENTION_SECONDS: '1' })
    await using usual = await SwarmHere.open({})
    const [gone, kept] = await Promise.all([short, usual].map(async (swarm) => (await swarm.ask({ number: 1 })).headers.get('x-request-id')))
    const statusOf = async (swarm: SwarmHere, id: string | null | undefined) => (await fetch(`${swarm.url}/v1/requests/${id}`)).status
    await eventually(async () => (await statusOf(short, gone)) === 404)
    assert.equal(await statusOf(usual, kept), 200)
  },

  async retention_seconds() {
    const retentionMs = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      return (await swarm.topic(`gateway.${swarm.name}`))?.retention_ms
    }
    assert.deepEqual([await retentionMs({}), await retentionMs({ WAGGLE_RETENTION_SECONDS: '60' })], [86_400_000, 60_000])
  },

  async retention_bytes() {
    const startAfter = async (env: Env) => {
      await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '1', ...env })
      for (let sent = 0; sent < 4; sent++) assert.equal((await swarm.ask({ text: 'x'.repeat(600_000) })).status, 200)
      return env.WAGGLE_RETENTION_BYTES === undefined ? await startOf(swarm) : await eventually(async () => (await startOf(swarm)) || null)
    }
    assert.equal(await startAfter({}), 0)
    assert.ok((await startAfter({ WAGGLE_RETENTION_BYTES: '1048576' })) > 0)
  },

  async log_max_bytes() {
    const status = async (env: Env) => {
      await using directory = temporaryDirectory()
      await writeUnreadRows(directory.path)
      await using swarm = await SwarmHere.open({ WAGGLE_DATA_DIR: directory.path, ...env })
      return (await swarm.ask({ number: 1 })).status
    }
    assert.deepEqual([await status({}), await status({ WAGGLE_LOG_MAX_BYTES: '1048576' })], [200, 503])
  },

  async max_body_bytes() {
    const status = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      return (await swarm.ask({ text: 'x'.repeat(2000) })).status
    }
    assert.deepEqual([await status({}), await status({ WAGGLE_MAX_BODY_BYTES: '1000' })], [200, 413])
  },

  async claim_store() {
    const objects = async (env: Env) => {
      await using directory = temporaryDirectory()
      await using swarm = await SwarmHere.open({ WAGGLE_DATA_DIR: directory.path, ...env })
      assert.equal((await swarm.ask({ text: 'x'.repeat(600_000) })).status, 200)
      return payloadsIn(directory.path)
    }
    // One object is from the request, and one object is from the bee that returns the request's payload.
    assert.deepEqual([await objects({}), await objects({ WAGGLE_CLAIM_STORE: 'data-directory' })], [0, 2])
    await assert.rejects(SwarmHere.open({ WAGGLE_CLAIM_STORE: 'somewhere' }), /"somewhere" is not a claim store/)
  },

  async claim_store_max_bytes() {
    const status = async (env: Env) => {
      await using directory = temporaryDirectory()
      await using swarm = await SwarmHere.open({ WAGGLE_CLAIM_STORE: 'data-directory', WAGGLE_DATA_DIR: directory.path, ...env })
      const response = await swarm.ask({ text: 'x'.repeat(2_000_000) })
      return [response.status, response.ok ? '' : ((await response.json()) as { readonly code: string }).code]
    }
    assert.deepEqual(
      [await status({}), await status({ WAGGLE_CLAIM_STORE_MAX_BYTES: '1048576' })],
      [
        [200, ''],
        [503, 'WAGGLE_CLAIM_STORE_FULL'],
      ],
    )
  },

  async max_inline_bytes() {
    const objects = async (env: Env) => {
      await using directory = temporaryDirectory()
      await using swarm = await SwarmHere.open({ WAGGLE_CLAIM_STORE: 'data-directory', WAGGLE_DATA_DIR: directory.path, ...env })
      assert.equal((await swarm.ask({ text: 'x'.repeat(3_000) })).status, 200)
      return payloadsIn(directory.path)
    }
    assert.deepEqual([await objects({}), await objects({ WAGGLE_MAX_INLINE_BYTES: '2000' })], [0, 2])
  },

  async rate_limit_per_second() {
    const statuses = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      return new Set(await Promise.all(Array.from({ length: 12 }, async (_, number) => (await swarm.ask({ number })).status)))
    }
    assert.deepEqual(await statuses({}), new Set([200]))
    assert.deepEqual(await statuses({ WAGGLE_RATE_LIMIT_PER_SECOND: '3' }), new Set([200, 429]))
  },

  async caller_rate_per_second() {
    const statuses = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      return new Set(await Promise.all(Array.from({ length: 12 }, async (_, number) => (await swarm.ask({ number })).status)))
    }
    assert.deepEqual(await statuses({}), new Set([200]))
    assert.deepEqual(await statuses({ WAGGLE_CALLER_RATE_PER_SECOND: '1' }), new Set([200, 429]))
  },

  async caller_requests_in_flight() {
    const statusBesideAnother = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const waiting = swarm.ask({ waitMs: 60_000 }).catch(() => null)
      await eventually(async () => (await sentTo(swarm)) === 1)
      const { status } = await swarm.ask({ number: 1 })
      void waiting
      return status
    }
    assert.deepEqual([await statusBesideAnother({}), await statusBesideAnother({ WAGGLE_CALLER_REQUESTS_IN_FLIGHT: '1' })], [200, 429])
  },

  async requests_at_work() {
    const statusBesideAnother = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const waiting = swarm.ask({ waitMs: 60_000 }).catch(() => null)
      await eventually(async () => (await sentTo(swarm)) === 1)
      const { status } = await swarm.ask({ number: 1 }, { headers: { 'x-timeout-seconds': '1' } })
      void waiting
      return status
    }
    assert.deepEqual([await statusBesideAnother({}), await statusBesideAnother({ WAGGLE_REQUESTS_AT_WORK: '1' })], [200, 504])
  },

  async max_requests_in_flight() {
    const statusBesideTwo = async (env: Env) => {
      await using swarm = await SwarmHere.open(env)
      const waiting = [1, 2].map(() => swarm.ask({ waitMs: 60_000 }).catch(() => null))
      await eventually(async () => (await sentTo(swarm)) === 2)
      const { status } = await swarm.ask({ number: 1 })
      void waiting
      return status
    }
    assert.deepEqual([await statusBesideTwo({}), await statusBesideTwo({ WAGGLE_MAX_REQUESTS_IN_FLIGHT: '2' })], [200, 503])
  },

  async shutdown_seconds() {
    const statusThroughStop = async (seconds: string) => {
      await using swarm = await SwarmHere.open({ WAGGLE_SHUTDOWN_SECONDS: seconds })
      const waiting = swarm.ask({ waitMs: 1500 })
      await eventually(async () => (await sentTo(swarm)) === 1)
      await swarm.stop()
      return (await waiting).status
    }
    assert.deepEqual([await statusThroughStop('0'), await statusThroughStop('20')], [503, 200])
  },
} as const satisfies { readonly [key in keyof Settings]?: Flip }

/** A data directory with a stored secret. */
function storedKey(key: string) {
  const directory = temporaryDirectory()
  new EncryptedSecrets(directory.path, SecretKeys.parse(key)).set('KEY', 'honey')
  return directory
}

/** The length of the secret KEY, in a program that a swarm with these settings runs. */
async function keyLength(env: Env): Promise<unknown> {
  await using swarm = await SwarmHere.open(env, { bees: keyReader })
  return (await swarm.ask({})).json()
}

const keyProgram = `console.log('{"waggle":1}'); require('readline').createInterface(process.stdin).on('line', (line) => console.log(JSON.stringify({ id: JSON.parse(line).id, json: process.env.KEY.length })))`

const askingToken = 'asker=asker-0123456789:ask:*'

/** The status without a token, and the status with the token of `askingToken`. */
async function statusesOfAsker(swarm: SwarmHere): Promise<readonly number[]> {
  const [without, having] = [
    await swarm.ask({ number: 1 }),
    await swarm.ask({ number: 1 }, { headers: { authorization: 'Bearer asker-0123456789' } }),
  ]
  return [without.status, having.status]
}

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
/** A web server with the small model, and a swarm that fetches the model from there. */
async function modelServer() {
  const web = createServer((_, response) => response.end(smallModel({ features: 4, labels: 2 }))).listen(0, '127.0.0.1')
  await once(web, 'listening')
  return {
    swarm: { bees: `${model.replace('./small.onnx', `"http://127.0.0.1:${portOf(web)}/small.onnx"`)}\n${answer}` },
    [Symbol.asyncDispose]: async () => void web.close(),
  }
}

const model = '  - {name: model, type: tensor-rt, input: {name: entrance}, spec: {model: ./small.onnx, labels: [no, yes]}}'
const answer = '  - {name: answer, type: respond, input: {name: model}}'
const keyReader = `  - {name: model, type: container, input: {name: entrance}, spec: {command: [node, -e, ${JSON.stringify(keyProgram)}], env: {KEY: "{{ secrets.KEY }}"}}}\n${answer}`
const saving = {
  bees: `${model}\n${answer}\n  - {name: save, type: save-to-database, input: {name: model}, spec: {table: rows}}`,
  files: { 'small.onnx': smallModel({ features: 4, labels: 2 }) },
}

function temporaryDirectory(): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'waggle-flipped-'))
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) }
}

/** Writes two megabytes, two minutes old, that a reader of another swarm has not read. */
async function writeUnreadRows(directory: string): Promise<void> {
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: systemClock })
  await log.createTopics([{ name: 'rows', partitions: 1, cleanup: 'delete', retentionMs: 86_400_000 }])
  const producer = await log.producer()
  const timestamp = Date.now() - 120_000
  for (let row = 0; row < 20; row++)
    await producer.send({ topic: 'rows', partition: 0, key: null, value: Buffer.alloc(100_000, row), timestamp, headers: [] })
  await log.rewind('absent-sink', { topic: 'rows', partition: 0, offset: 0 })
  await log.close()
}

/** The number of requests in the topic of the swarm's entrance. */
async function sentTo(swarm: SwarmHere): Promise<number> {
  return (await swarm.topic(`gateway.${swarm.name}`))?.offsets.reduce((sum, { end }) => sum + end, 0) ?? 0
}

async function selected(url: string): Promise<string> {
  const response = await fetch(`${url}/?query=${encodeURIComponent('SELECT count() FROM rows')}`)
  return (await response.text()).trim()
}

/** The first offset that is still in the topic of the swarm's entrance. */
async function startOf(swarm: SwarmHere): Promise<number> {
  return (await swarm.topic(`gateway.${swarm.name}`))?.offsets[0]?.start ?? 0
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A server on a port has no port')
  return address.port
}

/** The number of large payloads in a data directory. */
function payloadsIn(directory: string): number {
  if (!existsSync(join(directory, 'claims'))) return 0
  return readdirSync(join(directory, 'claims'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== 'store')
    .length
}
