import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AllowedHosts } from '../../../connectors/http/allowed-hosts.ts'
import { ModelCache } from '../../../connectors/objects/model-cache.ts'
import { WebObjects } from '../../../connectors/objects/web-objects.ts'
import { hastyClock } from '../../support/hasty-clock.ts'
import { WebServer } from '../../support/web-server.ts'

const program = join(import.meta.dirname, '..', '..', 'support', 'cache-process.ts')
const content = Buffer.alloc(4 * 1024 * 1024, 'honey ')

describe('Processes that share a cache of models', { timeout: 120_000 }, () => {
  let directory: string
  let server: WebServer
  let children: ChildProcess[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-shared-'))
    server = await WebServer.start()
    server.put('a.onnx', content)
    children = []
  })

  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL')
    await server[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  const started = () => {
    const child = spawn(process.execPath, [program, directory, server.addressOf('a.onnx')], { stdio: ['pipe', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }
  /** Requests for more than the model's first byte. */
  const downloads = () => ranges.filter((range) => range !== 'bytes=0-0')
  let ranges: string[] = []
  beforeEach(() => {
    ranges = []
    server.answer = ({ url, headers }) => {
      if (url === '/a.onnx') ranges.push(headers.range ?? '')
      return false
    }
  })

  it('fetch a model only once', async () => {
    const paths = await Promise.all(
      [started(), started(), started()].map((child) => {
        child.stdin.end()
        return text(child.stdout)
      }),
    )
    assert.equal(new Set(paths).size, 1, paths.join(''))
    assert.ok(readFileSync(paths[0]?.trim() ?? '').equals(content))
    assert.deepEqual(downloads(), [''])
  })

  it('wait for the process that fetches a model, and continue its download if it is killed', async () => {
    const half = content.length / 2
    let isFirst = true
    server.answer = ({ url, headers }, response) => {
      if (url === '/a.onnx') ranges.push(headers.range ?? '')
      if (url !== '/a.onnx' || headers.range === 'bytes=0-0' || !isFirst) return false
      isFirst = false
      const { 'if-match': tag = '' } = headers
      response.writeHead(200, { 'content-length': content.length, etag: tag }).write(content.subarray(0, half))
      return true
    }
    const killed = started()
    while (downloads().length === 0) await new Promise(setImmediate)
    const next = started()
    let said = ''
    next.stderr.on('data', (chunk: Buffer) => {
      said += chunk
    })
    while (!said.includes('another process fetches')) await once(next.stderr, 'data')
    killed.kill('SIGKILL')
    next.stdin.end()
    const path = await text(next.stdout)
    assert.ok(readFileSync(path.trim()).equals(content))
    const [, range = ''] = downloads()
    assert.ok(Number(/^bytes=(\d+)-$/.exec(range)?.[1]) > 0, range)
  })

  it('keep a model of a living process, but not the model of a killed process', async () => {
    const user = started()
    const [line] = (await once(user.stdout, 'data')) as [Buffer]
    const path = line.toString().trim()
    const options = { directory, maxBytes: content.length, clock: hastyClock(1) }
    server.put('b.onnx', content)
    const fetched = async () => {
      const store = new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: options.clock })
      const cache = new ModelCache({ ...options, storeOf: () => store })
      try {
        return await cache.path({ address: server.addressOf('b.onnx'), kind: 'file', log: () => {} })
      } finally {
        await cache.close()
      }
    }
    await assert.rejects(fetched(), { code: 'WAGGLE_MODEL_TOO_LARGE', message: /models in use/ })
    assert.ok(readFileSync(path).equals(content))
    user.kill('SIGKILL')
    await once(user, 'exit')
    assert.ok(readFileSync(await fetched()).equals(content))
    assert.throws(() => readFileSync(path), { code: 'ENOENT' })
  })
})
