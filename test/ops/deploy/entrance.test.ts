import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import type { ApiDescription } from '../../../ops/check/api-page.ts'
import { pageFiles } from '../../../ops/page/page-files.ts'
import { programOfDebian } from '../../support/debian-program.ts'
import { freePort } from '../../support/free-port.ts'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

const conf = readFileSync(resolve(import.meta.dirname, '../../../ops/deploy/nginx.conf'), 'utf8')
const nginx = programOfDebian('nginx')
const skip = 'missing' in nginx && process.env.CI !== 'true' ? nginx.missing : false

/** Calls with the scope `read` that show names and numbers, and no inputs: the metrics for Prometheus, and the counts of the page. */
const numbers = new Set(['GET /metrics', 'GET /v1/live'])
/** Paths that a look at the decoded path alone, or at its beginning, would let through. */
const disguised = [
  ...['GET /v1/requests', 'GET /v1/requests/', 'GET /v1/requests/1/trace/', 'GET /v2/models/', 'GET /V1/topics', 'GET /v1/%74opics'],
  ...['GET /v1/topics/..%2frequests/records', 'GET /page/..%2fv1/topics', 'GET /page/../v1/topics', 'GET //v1/topics', 'GET /v1/live/shelf?/v1/live'],
  ...['DELETE /v1/requests/1', 'PUT /v1/gateways/shelf/request', 'POST /v1/live', 'GET /v1/topics?/healthz', 'GET /v1/topics#/healthz'],
]
/** Public calls with names that operators' calls begin with, and with a query. */
const named = ['POST /v1/gateways/swarms/request', 'POST /v1/gateways/tokens/submit', 'GET /v1/requests/1?x=/trace', 'GET /healthz?']

/** Each call that the description of the API names, with the scope that it needs. */
function callsIn({ paths }: ApiDescription): readonly { readonly call: string; readonly isOpen: boolean }[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { security = [] }]) => {
      const call = `${method.toUpperCase()} ${path}`
      const scopes = security.flatMap(({ bearer = [] }) => bearer)
      const isOperators = scopes.some((scope) => scope === 'read' || scope === 'manage')
      return { call: call.replaceAll(/\{\w+\}/g, 'shelf'), isOpen: !isOperators || numbers.has(call) }
    }),
  )
}

/** Sends a call with its path unchanged; `fetch` would normalise it. */
async function answerOf(port: number, call: string, headers: { readonly [name: string]: string } = {}) {
  const [method = '', path = ''] = call.split(' ')
  const sent = request({ host: '127.0.0.1', port, method, path, headers: { host: `localhost:${port}`, ...headers } })
  sent.end(method === 'POST' && path.startsWith('/v1/gateways/') ? '{}' : '')
  const [response] = await once(sent, 'response')
  let text = ''
  response.on('data', (bytes: Buffer) => {
    text += bytes.toString()
    // A stream of events has no end.
    if (response.headers['content-type'] === 'text/event-stream') response.destroy()
  })
  await once(response, 'close')
  return { status: response.statusCode as number, text, isStopped: text.includes('The proxy before Waggle') }
}

describe('The entrance of docker-compose.yml', () => {
  let server: ServerHere
  let calls: ReturnType<typeof callsIn> = []
  before(async () => {
    server = await ServerHere.open()
    server.write('work.mjs', 'export default (input) => input\n')
    assert.equal((await server.call('POST', '/v1/swarms', moduleSwarm('shelf', './work.mjs'))).status, 201)
    const { body } = await eventually(async () => {
      const answer = await server.call('GET', '/openapi.json')
      return answer.status === 200 ? answer : null
    })
    calls = callsIn(body as ApiDescription)
    assert.ok(calls.filter(({ isOpen }) => !isOpen).length > 30, 'operators’ calls are found by their scope')
    assert.ok(calls.filter(({ isOpen }) => isOpen).length >= 15)
  })
  after(() => server[Symbol.asyncDispose]())

  it('has a pattern for each call of the API that needs no scope of operators, and for the files of the page, and for nothing else', () => {
    const patterns = [...conf.matchAll(/^ {4}"~(\^.+)" 1;$/gm)].map(([, pattern = '']) => new RegExp(pattern))
    const isPublic = (call: string) => patterns.some((pattern) => pattern.test(call))
    for (const { call, isOpen } of calls) assert.equal(isPublic(call), isOpen, call)
    for (const path of pageFiles().files.keys()) assert.ok(isPublic(`GET ${path}`), path)
    for (const call of [...named, 'GET /openapi.json']) assert.ok(isPublic(call), call)
    for (const call of disguised) assert.ok(!isPublic(call), call)
  })

  describe('run by nginx', { skip }, () => {
    let entrance: Entrance
    let port = 0
    before(async () => {
      entrance = await Entrance.open(server.url)
      port = entrance.port
    })
    after(() => entrance[Symbol.asyncDispose]())

    it('passes on public calls alone, and refuses each other call with a problem that says what to do', async () => {
      for (const { call, isOpen } of calls) assert.equal((await answerOf(port, call)).isStopped, !isOpen, call)
      for (const path of pageFiles().files.keys()) assert.equal((await answerOf(port, `GET ${path}`)).status, 200, path)
      for (const call of named) assert.equal((await answerOf(port, call)).isStopped, false, call)
      for (const call of disguised) assert.ok((await answerOf(port, call)).status >= 400, call)
      const { status, text } = await answerOf(port, 'GET /v1/topics')
      const problem = JSON.parse(text) as { readonly status: number; readonly code: string }
      assert.deepEqual([status, problem.status, problem.code], [403, 403, 'WAGGLE_NOT_LOCAL'])
    })

    it('lets the page ask a gateway, and read its counts', async () => {
      // Compose publishes the entrance under Waggle's own port, so this is the origin of its page.
      const own = { origin: `http://localhost:${new URL(server.url).port}`, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }
      assert.equal((await answerOf(port, 'POST /v1/gateways/shelf/request', own)).status, 200)
      const { status, text } = await answerOf(port, 'GET /v1/live', own)
      assert.equal(status, 200)
      assert.match(text, /event: shape/)
    })

    it('passes on operators’ calls without its `if`, for a Waggle that requires tokens', async () => {
      await using guarded = await ServerHere.open({ WAGGLE_TOKENS: 'page=a-secret-of-a-page:read' })
      await using open = await Entrance.open(guarded.url, conf.replace(/ {4}if [^{]+\{[\s\S]*?\n {4}\}\n/, ''))
      assert.equal((await answerOf(open.port, 'GET /v1/topics')).status, 401)
      assert.equal((await answerOf(open.port, 'GET /v1/topics', { authorization: 'Bearer a-secret-of-a-page' })).status, 200)
    })
  })
})

/** The proxy with the file of the repository, on free ports. */
class Entrance {
  readonly port: number
  readonly #directory: string
  readonly #child: ChildProcess

  private constructor(port: number, directory: string, child: ChildProcess) {
    this.port = port
    this.#directory = directory
    this.#child = child
  }

  static async open(url: string, text = conf): Promise<Entrance> {
    if ('missing' in nginx) throw new Error(nginx.missing)
    const port = await freePort()
    const directory = mkdtempSync(join(tmpdir(), 'waggle-entrance-'))
    mkdirSync(join(directory, 'temp'))
    const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/temp;`).join(' ')
    const own = text
      .replace('access_log off;', `access_log off; ${folders}`)
      .replace('listen 8088;', `listen 127.0.0.1:${port};`)
      .replace('http://127.0.0.1:8080', url.replace('localhost', '127.0.0.1'))
    writeFileSync(join(directory, 'nginx.conf'), own)
    const directives = `daemon off; master_process off; pid ${directory}/pid; error_log stderr;`
    const child = spawnEnding(nginx.program, ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf'), '-g', directives], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...nginx.env },
    })
    await eventually(async () => (await answerOf(port, 'GET /healthz').catch(() => null))?.status === 200)
    return new Entrance(port, directory, child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.kill()) await once(this.#child, 'exit')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
