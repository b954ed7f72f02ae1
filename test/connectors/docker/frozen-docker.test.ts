import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ContainerRun } from '../../../connectors/docker/container-run.ts'
import { DockerEngine } from '../../../connectors/docker/docker-engine.ts'
import { Images } from '../../../connectors/docker/images.ts'
import { LeftoverContainers } from '../../../connectors/docker/leftover-containers.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'

const log = () => {}

describe('A Docker that does not answer', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-frozen-'))
  const stops: (() => void)[] = []
  after(() => {
    for (const stop of stops) stop()
    rmSync(directory, { recursive: true })
  })

  /** A Docker that answers a ping, and leaves every other response to the test. */
  async function frozen() {
    const socketPath = join(directory, `${stops.length}.sock`)
    const asked: { readonly call: string; readonly response: ServerResponse }[] = []
    const server = createServer((request: IncomingMessage, response) => {
      if (request.url === '/_ping') response.end('OK')
      else {
        asked.push({ call: `${request.method} ${(request.url ?? '').split('?')[0]}`, response })
        server.emit('asked')
      }
    })
    stops.push(() => {
      server.close()
      server.closeAllConnections()
    })
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    const question = async (call: string) => {
      for (;;) {
        const found = asked.find((one) => one.call === call)
        if (found !== undefined) return found.response
        await once(server, 'asked')
      }
    }
    return { engine: new DockerEngine({ socketPath }), asked, question }
  }

  it('does not prevent a killed bee from ending, and a container that Docker creates later is removed', async () => {
    const { engine, asked, question } = await frozen()
    const clock = new SimulatedClock()
    const gone: string[] = []
    const run = new ContainerRun(
      {
        engine,
        clock,
        image: { name: 'here:1', id: 'sha256:1', user: '', isChecked: false, misfit: null },
        options: {
          swarm: 'test',
          bee: 'work',
          image: 'here:1',
          command: null,
          env: {},
          limits: { memoryBytes: 256 * 1024 ** 2, cpus: 1, pids: 64 },
          network: null,
          gpu: 0,
          log,
        },
        labels: {},
        newName: () => 'waggle-test',
      },
      { stdout: () => {}, hasRequest: () => true, gone: (why) => void gone.push(why) },
    )
    const creates = await question('POST /containers/create')
    run.kill('SIGTERM')
    run.kill('SIGKILL')
    await clock.until(() => gone.length > 0, 60_000)
    assert.deepEqual(gone, ['gets no answer from Docker'])
    creates.writeHead(201, { 'content-type': 'application/json' }).end('{"Id":"late"}')
    const removes = await question('DELETE /containers/late')
    removes.writeHead(204).end()
    assert.deepEqual(
      asked.map(({ call }) => call),
      ['POST /containers/create', 'DELETE /containers/late'],
    )
  })

  it('does not prevent new containers from starting: leftovers stay, with a line in the log', async () => {
    const { engine, question } = await frozen()
    const clock = new SimulatedClock()
    const lines: string[] = []
    const removed = new LeftoverContainers({ engine, clock, dataDirectory: directory }).remove({ log: (_, line) => void lines.push(line) })
    await question('GET /containers/json')
    await clock.advance(30_000)
    await removed
    assert.deepEqual(lines, ['containers of an earlier run cannot be removed: no answer within 30 s'])
  })

  it('fails the look-up of an image after 30 seconds', async () => {
    const { engine, question } = await frozen()
    const clock = new SimulatedClock()
    const found = assert.rejects(new Images({ engine, clock }).find('here:1', { bee: 'work', log }), {
      code: 'WAGGLE_NOT_RESOLVED',
      message: 'work names the image here:1, about which Docker says: no answer within 30 s',
    })
    await question('GET /images/here:1/json')
    await clock.advance(30_000)
    await found
  })

  it('fails a pull after 300 seconds without progress, and lets a pull with progress continue', async () => {
    const { engine, question } = await frozen()
    const clock = new SimulatedClock()
    const lines: string[] = []
    const found = assert.rejects(new Images({ engine, clock }).find('there:1', { bee: 'work', log: (_, line) => void lines.push(line) }), {
      code: 'WAGGLE_NOT_RESOLVED',
      message: /which is not on this machine and cannot be pulled: the pull has gone no further for 300 s/,
    })
    const looks = await question('GET /images/there:1/json')
    looks.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"no such image"}')
    const pull = await question('POST /images/create')
    pull.writeHead(200, { 'content-type': 'application/json' })
    // The first event shows that the client listens. Each later event arrives 200 s after the previous event, which is in time.
    for (const megabytes of [1, 2, 3, 4]) {
      const event = { id: 'layer', status: 'Downloading', progressDetail: { current: megabytes * 1e6, total: 8e6 } }
      if (megabytes > 1) await clock.advance(200_000)
      else await clock.advance(2_000)
      pull.write(`${JSON.stringify(event)}\n`)
      while (!lines.some((line) => line.includes(`${megabytes}.0 of 8.0 MB`))) await new Promise((resolve) => setImmediate(resolve))
    }
    const hungUp = once(pull, 'close')
    await clock.advance(300_000)
    await found
    await hungUp
  })
})
