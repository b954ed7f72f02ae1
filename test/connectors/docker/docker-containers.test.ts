import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, it } from 'node:test'
import { ContainerRun } from '../../../connectors/docker/container-run.ts'
import { DockerContainers } from '../../../connectors/docker/docker-containers.ts'
import { DockerEngine } from '../../../connectors/docker/docker-engine.ts'
import { Images } from '../../../connectors/docker/images.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import type { ContainerOptions } from '../../../topology/swarm/ports/containers.ts'
import type { OpenProcess } from '../../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { describeWithDocker } from '../../support/docker-daemon.ts'
import { startRegistry } from '../../support/image-registry.ts'
import { eventually } from '../../support/swarm-here.ts'

describeWithDocker('A bee in a container', (docker) => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-containers-'))
  after(() => rmSync(directory, { recursive: true }))

  async function open(
    script: string,
    { lines = [], ...more }: Partial<ContainerOptions> & { readonly lines?: string[] } = {},
    how: { readonly requireGpu?: boolean } = {},
  ): Promise<OpenProcess> {
    const containers = new DockerContainers({ engine: new DockerEngine(), clock: systemClock, dataDirectory: directory, ...how })
    return containers.open({ ...optionsOf(script), log: (_, line) => void lines.push(line), ...more })
  }

  const optionsOf = (script: string): ContainerOptions => ({
    swarm: 'test',
    bee: 'script',
    image: docker().image,
    command: ['node', '--input-type=module', '-e', script],
    env: {},
    limits: { memoryBytes: 256 * 1024 ** 2, cpus: 1, pids: 64 },
    network: null,
    gpu: 0,
    log: () => {},
  })

  function call(opened: OpenProcess, value: unknown, signal = new AbortController().signal): Promise<Payload | WaggleError> {
    return opened
      .call([{ id: 'one', payload: { kind: 'json', json: value }, deadline: null, signal }])
      .then(([outcome]) => outcome as Payload | WaggleError)
  }

  async function answer(opened: OpenProcess, value: unknown): Promise<unknown> {
    const outcome = await call(opened, value)
    if (outcome instanceof Error || outcome.kind !== 'json') throw outcome
    return outcome.json
  }

  const leftContainers = async () => (await docker().client.listContainers({ all: true })).length

  it('answers requests on its standard streams, and its container is removed when it is closed', async () => {
    const lines: string[] = []
    const opened = await open(lineByLine('({ json }) => ({ json: { words: json.text.split(" ").length } })', 'console.error("ready")'), { lines })
    assert.deepEqual(await answer(opened, { text: 'one two three' }), { words: 3 })
    await opened.close()
    assert.ok(lines.includes('ready'), lines.join('\n'))
    await eventually(async () => (await leftContainers()) === 0)
  })

  it('finishes its open requests before it ends', async () => {
    const opened = await open(lineByLine('({ json }) => new Promise((done) => setTimeout(() => done({ json }), 300))'))
    const outcome = answer(opened, 1)
    await opened.close()
    assert.equal(await outcome, 1)
  })

  it('exchanges messages on its socket if its program connects there, and may then print anything', async () => {
    const lines: string[] = []
    const opened = await open(
      `
      import { connect } from 'node:net'
      import { createInterface } from 'node:readline'
      const channel = connect(process.env.WAGGLE_BEE_SOCKET)
      channel.on('connect', async () => {
        console.log('on the socket')
        channel.write('{"waggle": 1}\\n')
        for await (const line of createInterface(channel)) {
          const { id, json } = JSON.parse(line)
          if (json === 'flood') for (let at = 0; at < 20_000; at++) console.log('x'.repeat(500))
          channel.write(JSON.stringify({ id, json }) + '\\n')
        }
        channel.end()
      })`,
      { lines },
    )
    assert.equal(await answer(opened, 1), 1)
    assert.equal(await answer(opened, 'flood'), 'flood')
    assert.equal(await answer(opened, 2), 2)
    await opened.close()
    assert.ok(lines.includes('on the socket'), lines.slice(0, 5).join('\n'))
    assert.ok(lines.length < 2_000, String(lines.length))
  })

  it('has no root, no capability, no network, no writable file outside /tmp, and no variable of this process', async () => {
    process.env.WAGGLE_SECRET_OF_TEST = 'hidden'
    const opened = await open(
      `import { readFileSync, writeFileSync } from 'node:fs'
      import { networkInterfaces } from 'node:os'
      const writes = (path) => { try { writeFileSync(path, ''); return true } catch (error) { return error.code } }
      ${lineByLine(`() => ({ json: {
        uid: process.getuid(), gid: process.getgid(), env: process.env, networks: Object.keys(networkInterfaces()),
        status: Object.fromEntries(readFileSync('/proc/self/status', 'utf8').split('\\n').map((line) => line.split(':\\t'))),
        root: writes('/new'), tmp: writes('/tmp/new') } })`)}`,
      { env: { OWN: 'yes' } },
    )
    const { uid, gid, env, networks, status, root, tmp } = (await answer(opened, 1)) as {
      readonly [key in 'uid' | 'gid' | 'root' | 'tmp']: unknown
    } & { readonly env: NodeJS.ProcessEnv; readonly networks: readonly string[]; readonly status: { readonly [key: string]: string } }
    assert.deepEqual([uid, gid, root, tmp], [65532, 65532, 'EROFS', true])
    assert.deepEqual(
      networks.filter((name) => name !== 'lo'),
      [],
    )
    assert.deepEqual([status.CapEff, status.CapBnd, status.NoNewPrivs], ['0'.repeat(16), '0'.repeat(16), '1'])
    assert.deepEqual([env.OWN, env.WAGGLE_SWARM, env.WAGGLE_BEE, env.WAGGLE_PROTOCOL], ['yes', 'test', 'script', '1'])
    assert.equal(env.WAGGLE_SECRET_OF_TEST, undefined)
    const [container] = await docker().client.listContainers()
    const { HostConfig: host } = await docker()
      .client.getContainer(container?.Id ?? '')
      .inspect()
    assert.deepEqual([host.Memory, host.MemorySwap, host.NanoCpus, host.PidsLimit], [256 * 1024 ** 2, 256 * 1024 ** 2, 1e9, 64])
    await opened.close()
  })

  it('runs as the user of its image, unless that user is root', async () => {
    const whoami = lineByLine('() => ({ json: process.getuid() })')
    for (const [user, uid] of [
      ['1234', 1234],
      ['0:0', 65532],
    ] as const) {
      const opened = await open(whoami, { image: await docker().build(`waggle-test/user-${uid}:1`, [`USER ${user}`]) })
      assert.equal(await answer(opened, 1), uid)
      await opened.close()
    }
  })

  it('is restarted after it has died, and only the request that kills it fails', async () => {
    const lines: string[] = []
    const opened = await open(lineByLine('({ json }) => json === "die" ? process.exit(7) : { json }'), { lines })
    const [died, lived] = await Promise.all([call(opened, 'die'), call(opened, 'live')])
    assert.ok(died instanceof WaggleError)
    assert.equal(died.code, 'WAGGLE_BEE_DIED')
    assert.match(died.message, /ended with status 7 while it had this request/)
    assert.deepEqual(lived, { kind: 'json', json: 'live' })
    assert.ok(
      lines.some((line) => /ended with status 7.*starting it again/.test(line)),
      lines.join('\n'),
    )
    await opened.close()
  })

  it('fails with an error that names its memory limit when it runs out of memory', async () => {
    const opened = await open(lineByLine('({ json }) => ({ json: Buffer.alloc(json, 1).length })'), {
      limits: { memoryBytes: 96 * 1024 ** 2, cpus: 1, pids: 64 },
    })
    const outcome = await call(opened, 512 * 1024 ** 2)
    assert.ok(outcome instanceof WaggleError)
    assert.equal(outcome.code, 'WAGGLE_BEE_DIED')
    assert.match(outcome.message, /ran out of memory and was killed \(memory: 96m\)/)
    assert.equal(await answer(opened, 10), 10)
    await opened.close()
  })

  it('is stopped and restarted if it prints anything other than messages', async () => {
    const opened = await open(lineByLine('({ json }) => json === "print" ? (console.log("rubbish"), { json }) : { json }'))
    const outcome = await call(opened, 'print')
    assert.ok(outcome instanceof WaggleError)
    assert.match(outcome.message, /wrote no JSON object: "rubbish"/)
    assert.equal(await answer(opened, 'fine'), 'fine')
    await opened.close()
  })

  it('is killed if it never answers, and a new container answers the next request', async () => {
    const opened = await open(lineByLine('({ json }) => { while (json === "hang"); return { json } }'))
    const outcome = await call(opened, 'hang', AbortSignal.timeout(500))
    assert.ok(outcome instanceof WaggleError)
    assert.equal(outcome.code, 'WAGGLE_BEE_TIMEOUT')
    assert.equal(await answer(opened, 'fine'), 'fine')
    await opened.close()
  })

  it('answers requests while it floods its standard error, and only a bounded part of that output is logged', async () => {
    const lines: string[] = []
    const opened = await open(lineByLine('({ json }) => { for (let at = 0; at < 20_000; at++) console.error("x".repeat(500)); return { json } }'), {
      lines,
    })
    assert.equal(await answer(opened, 1), 1)
    assert.equal(await answer(opened, 2), 2)
    await opened.close()
    assert.ok(lines.length < 2_000, String(lines.length))
    assert.ok(lines.some((line) => /were left out/.test(line)))
  })

  it('is not started if its program ends at once, and the error quotes the program’s last output', async () => {
    await assert.rejects(open('console.error("no weights"); process.exit(3)'), ({ code, message, next }: WaggleError) => {
      assert.equal(code, 'WAGGLE_BEE_NOT_STARTED')
      assert.match(message, /^The container of script, image waggle-test\/node:1, ended with status 3; its last words: no weights$/)
      assert.match(next, /docker run/)
      return true
    })
  })

  it('is not started if its command is not in the image', async () => {
    await assert.rejects(open('', { command: ['no-such-program'] }), ({ code, message }: WaggleError) => {
      assert.equal(code, 'WAGGLE_BEE_NOT_STARTED')
      assert.match(message, /no-such-program/)
      return true
    })
    await assert.rejects(open('', { command: null }), /cannot be started: .*no command specified/i)
    await eventually(async () => (await leftContainers()) === 0)
  })

  it('waits for the health check of its image, and is restarted if that check fails later', async () => {
    const image = await docker().build('waggle-test/healthy:1', [
      `HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD ["node", "-e", "require('fs').existsSync('/tmp/sick') ? (console.log('a cough'), process.exit(1)) : 0"]`,
    ])
    const lines: string[] = []
    const script = `import { writeFileSync } from 'node:fs'
      ${lineByLine('({ json }) => { if (json === "sicken") writeFileSync("/tmp/sick", ""); return { json: process.hrtime.bigint().toString() } }')}`
    const opened = await open(script, { image, lines })
    await answer(opened, 'sicken')
    await eventually(async () => lines.some((line) => /failed its health check \(a cough\)/.test(line)))
    assert.equal(typeof (await answer(opened, 'again')), 'string')
    await opened.close()
  })

  it('is not started if the health check of its image never passes', async () => {
    const image = await docker().build('waggle-test/sick:1', [
      'HEALTHCHECK --interval=1s --timeout=10s --retries=1 CMD ["node", "-e", "process.exit(1)"]',
    ])
    await assert.rejects(open(lineByLine('({ json }) => ({ json })'), { image }), /failed its health check/)
  })

  it('runs without a GPU and with a warning if Docker has no GPU, and fails to start if a GPU is required', async () => {
    const lines: string[] = []
    const opened = await open(lineByLine('({ json }) => ({ json })'), { gpu: 1, lines })
    assert.equal(await answer(opened, 1), 1)
    await opened.close()
    assert.ok(
      lines.some((line) => /^Docker has no GPU for script \(.*could not select device driver.*\); it runs without$/.test(line)),
      lines.join('\n'),
    )
    await assert.rejects(open('', { gpu: 1 }, { requireGpu: true }), ({ code, message }: WaggleError) => {
      assert.equal(code, 'WAGGLE_GPU_MISSING')
      assert.match(message, /^script asks for gpu: 1, and Docker has none for its image waggle-test\/node:1: .*could not select device driver/)
      return true
    })
  })

  it('is pulled from its registry with progress in the log, and runs', async () => {
    await using registry = await startRegistry({ layer: docker().layer, architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' })
    const lines: string[] = []
    const image = `${registry.image}:1`
    const opened = await open(lineByLine('({ json }) => ({ json })'), { image, lines })
    assert.equal(await answer(opened, 1), 1)
    await opened.close()
    assert.equal(lines[0], `${image} is not on this machine: pulling it`)
    assert.ok(lines.includes(`${image} is pulled`), lines.join('\n'))
    await assert.rejects(open('', { image: `${registry.image}:missing` }), ({ code, message }: WaggleError) => {
      assert.equal(code, 'WAGGLE_NOT_RESOLVED')
      assert.match(message, /:missing, which is not on this machine and cannot be pulled: manifest unknown$/)
      return true
    })
  })

  it('fails to start if its image is for another processor, and the error names both processors', async () => {
    await using registry = await startRegistry({ layer: docker().layer, architecture: 's390x' })
    await assert.rejects(open('process.exit(1)', { image: `${registry.image}:s390x` }), ({ code, message }: WaggleError) => {
      assert.equal(code, 'WAGGLE_BEE_NOT_STARTED')
      assert.match(message, /its image is for linux\/s390x, and this Docker runs linux\//)
      return true
    })
  })

  it('runs the image that its name meant at the first start, even if the name means a different image now', async () => {
    const name = 'waggle-test/moving:1'
    await docker().build(name, ['ENV AGE=old'])
    const containers = new DockerContainers({ engine: new DockerEngine(), clock: systemClock, dataDirectory: directory })
    const options = { ...optionsOf(lineByLine('() => ({ json: process.env.AGE })')), image: name }
    const first = await containers.open(options)
    await docker().build(name, ['ENV AGE=new'])
    const second = await containers.open(options)
    assert.deepEqual([await answer(first, 1), await answer(second, 1)], ['old', 'old'])
    await Promise.all([first.close(), second.close()])
  })

  it('is not started if its network does not exist', async () => {
    await assert.rejects(open('', { network: 'no-such-network' }), /cannot be started: .*no-such-network/)
  })

  it('gets a different name if another container already has its name', async () => {
    const engine = new DockerEngine()
    const client = await engine.client
    const taken = await client.createContainer({ Image: docker().image, Cmd: ['node'], name: 'waggle-taken' })
    const names = ['waggle-taken', 'waggle-free']
    const image = await new Images({ engine, clock: systemClock }).find(docker().image, { bee: 'script', log: () => {} })
    const gone = Promise.withResolvers<string>()
    new ContainerRun(
      { engine, clock: systemClock, image, options: optionsOf('process.exit(9)'), labels: {}, newName: () => names.shift() ?? '' },
      { stdout: () => {}, hasRequest: () => true, gone: gone.resolve },
    )
    assert.equal(await gone.promise, 'ended with status 9')
    assert.deepEqual(names, [])
    await taken.remove()
  })

  it('is removed at the next start with the same data directory if its process was killed, while other containers stay', async () => {
    const others = await open(lineByLine('() => ({ json: token })', 'const token = Math.random()'))
    const token = await answer(others, 1)
    const killed = spawn(process.execPath, [resolve(import.meta.dirname, '../../support/container-process.ts'), directory, docker().image], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((settle) => killed.stdout.once('data', settle))
    const left = async () => (await docker().client.listContainers({ all: true, filters: { label: ['waggle.bee=stubborn'] } })).length
    assert.equal(await left(), 1)
    const ended = new Promise((settle) => killed.once('exit', settle))
    killed.kill('SIGKILL')
    await ended
    const lines: string[] = []
    const opened = await open(lineByLine('({ json }) => ({ json })'), { lines })
    assert.equal(await left(), 0)
    assert.match(lines[0] ?? '', /^removed the container waggle-test-stubborn-\w+ of an earlier run$/)
    assert.equal(await answer(others, 1), token)
    await Promise.all([opened.close(), others.close()])
  })
})

/** The example of ten lines in bees/PROTOCOL.md, written in JavaScript. */
const lineByLine = (answer: string, first = '') => `
  import { createInterface } from 'node:readline'
  ${first}
  console.log(JSON.stringify({ waggle: 1 }))
  for await (const line of createInterface(process.stdin)) {
    const request = JSON.parse(line)
    console.log(JSON.stringify({ id: request.id, ...(await (${answer})(request)) }))
  }`
