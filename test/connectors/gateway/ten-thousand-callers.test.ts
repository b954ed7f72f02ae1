import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import { GrpcCaller } from '../../support/grpc-caller.ts'

const slowCallers = 10_000
/** Fewer than the new connections that a system keeps for a server which has not taken them yet. */
const callersAtOnce = 250
/** Files that a process with so many connections has open. */
const files = slowCallers + 500
const missing = canOpen(files) ? null : `a process here may not have ${files} files open (ulimit -n)`
const skip = missing !== null && process.env.CI !== 'true' ? missing : false

const token = { authorization: 'Bearer fast-0123456789abc' }

for (const protocol of ['http', 'grpc'])
  it(`Ten thousand slow callers over ${protocol} lock no other caller out, and take a bounded memory`, { skip, timeout: 240_000 }, async () => {
    assert.equal(missing, null)
    await using server = child('many-callers-server.ts', [protocol])
    const { address = '' } = await server.line()
    const before = await server.ask('memory')
    const [host = '', port = ''] = address.replace(/^http:\/\//, '').split(':')
    await using callers = child('many-callers.ts', [host, port, String(callersAtOnce), protocol])
    for (let open = callersAtOnce; open <= slowCallers; open += callersAtOnce) {
      assert.equal((await callers.ask('more')).open, open)
      // A connection is open for its caller before the server has taken it. The system drops those that are too many.
      while ((await server.ask('open')).open < open);
    }
    const during = await server.ask('memory')
    const statuses = protocol === 'grpc' ? await asksByGrpc(address) : await asksByHttp(address)
    assert.deepEqual(statuses, Array(20).fill('OK'))
    const each = (during.memoryBytes - before.memoryBytes) / slowCallers
    assert.ok(each < mostBytesEach, `each connection takes ${Math.round(each)} bytes`)
    assert.ok((await server.ask('open')).open >= slowCallers)
  })

/** The most memory of a connection with the beginning of a request: its socket, parser or session, and buffers. Measured: 28 KB over HTTP, 41 KB over gRPC. */
const mostBytesEach = 80 * 1024

async function asksByHttp(url: string): Promise<readonly string[]> {
  const statuses: string[] = []
  for (let at = 0; at < 20; at++) {
    const response = await fetch(`${url}/v1/gateways/door/request`, { method: 'POST', body: `"${at}"`, headers: token })
    statuses.push((await response.text()) === `"${at}"` ? 'OK' : String(response.status))
  }
  return statuses
}

async function asksByGrpc(address: string): Promise<readonly string[]> {
  const caller = new GrpcCaller(address)
  const statuses: string[] = []
  for (let at = 0; at < 20; at++)
    statuses.push((await caller.call('waggle.v1.Gateway/Request', { gateway: 'door', data: Buffer.from('1') }, { headers: token })).status)
  caller.close()
  return statuses
}

interface Line {
  readonly address?: string
  readonly open: number
  /** 0 where it was not asked for. */
  readonly memoryBytes: number
}

/** A process of `test/support` with a raised limit of open files. `ask` writes it a line, and gives its answer. */
function child(file: string, argv: readonly string[]) {
  const script = join(import.meta.dirname, '..', '..', 'support', file)
  const raised = `ulimit -n ${files} && exec "$0" "$@"`
  const started = spawnEnding('sh', ['-c', raised, process.execPath, '--expose-gc', script, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = started
  assert.ok(stdin !== null && stdout !== null)
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const line = async (): Promise<Line> => {
    const { value, done } = await lines.next()
    assert.notEqual(done, true, `${file} has ended`)
    return JSON.parse(String(value))
  }
  return {
    line,
    ask(question: string) {
      stdin.write(`${question}\n`)
      return line()
    },
    async [Symbol.asyncDispose]() {
      const ended = once(started, 'exit')
      stdin.end()
      await ended
    },
  }
}

/** True if a shell can raise its limit of open files to this number. */
function canOpen(count: number): boolean {
  try {
    execFileSync('sh', ['-c', `ulimit -n ${count}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
