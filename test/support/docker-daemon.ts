import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import Docker from 'dockerode'
import { importRoot, writeNodeRoot } from '../../ops/bench/node-image.ts'
import { programOfDebian } from './debian-program.ts'

/** A Docker for tests, with an image that was built on this machine. */
export interface TestDocker {
  readonly client: Docker
  /** An image with only Node and its libraries. It has no entry point and no command. */
  readonly image: string
  /** A tar file with the files of `image`. */
  readonly layer: string
  /** Builds an image on top of `image`, from further lines of a Dockerfile. Returns its name. */
  build(name: string, lines: readonly string[]): Promise<string>
}

/**
 * Runs tests with a real Docker. A `dockerd` of this machine, or of Debian's package, runs during the tests, and `DOCKER_HOST` names it in this
 * process and in its children. Without root, or without such a program, the tests are skipped with the reason; in CI they fail. If even root cannot
 * make a container on this kernel, the tests are also skipped in CI.
 */
export function describeWithDocker(name: string, tests: (docker: () => TestDocker) => void): void {
  const daemon = programOfDebian('dockerd', { package: 'docker.io' })
  const missing = 'missing' in daemon ? daemon.missing : process.getuid?.() === 0 ? null : 'a dockerd needs root'
  if (missing !== null || 'missing' in daemon || !mayContain()) {
    describe(name, () => {
      if (missing === null) it('has a Docker to run against', { skip: 'this machine’s kernel lets root make no namespaces' }, () => {})
      else if (process.env.CI === 'true') it('has a Docker to run against', () => Promise.reject(new Error(missing ?? '')))
      else it('has a Docker to run against', { skip: missing ?? '' }, () => {})
    })
    return
  }
  describe(name, () => {
    let docker: (TestDocker & { close(): Promise<void> }) | null = null
    const before_ = process.env.DOCKER_HOST
    before(async () => {
      docker = await startDocker(daemon)
    })
    tests(() => {
      if (docker === null) throw new Error('There is no Docker before the tests run')
      return docker
    })
    after(async () => {
      if (before_ === undefined) delete process.env.DOCKER_HOST
      else process.env.DOCKER_HOST = before_
      await docker?.close()
    })
  })
}

/** True if root can make the namespaces of a container on this machine. */
function mayContain(): boolean {
  return spawnSync('unshare', ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', 'true']).status === 0
}

async function startDocker({ program, env }: { readonly program: string; readonly env: { readonly [variable: string]: string } }) {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-docker-'))
  const socket = join(directory, 'docker.sock')
  // Docker's other programs, such as containerd and runc, are in the same folder or in a neighbouring folder.
  const folders = [dirname(program), join(dirname(program), '..', 'bin'), join(dirname(program), '..', 'sbin')]
  const child = spawn(
    program,
    [
      ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec'), '--pidfile', join(directory, 'pid')],
      ...['--host', `unix://${socket}`, '--iptables=false', '--bridge=none', '--log-level', 'warn'],
    ],
    {
      env: { ...process.env, ...env, PATH: [...folders, process.env.PATH ?? ''].join(':') },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const client = new Docker({ socketPath: socket })
  const close = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    for (const { Id } of await client.listContainers({ all: true }).catch(() => []))
      await client
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(() => {})
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await ended
    }
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    for (let tries = 0; ; tries++) {
      if (child.exitCode !== null || tries === 300) throw new Error(`dockerd does not start: ${said}`)
      if ((await client.ping().catch(() => null)) !== null) break
      await pause(100)
    }
    process.env.DOCKER_HOST = `unix://${socket}`
    const layer = join(directory, 'node.tar')
    await importNode(client, directory, layer)
    return { client, image: nodeImage, layer, build: (name: string, lines: readonly string[]) => build(client, name, lines), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Makes an image from this Node and the libraries that it loads. `tar`: the file in which the image's files are packed. */
async function importNode(client: Docker, directory: string, tar: string): Promise<void> {
  const root = join(directory, 'root')
  writeNodeRoot(root)
  await importRoot(client, { root, tar, image: nodeImage })
  rmSync(root, { recursive: true })
}

async function build(client: Docker, name: string, lines: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-image-'))
  try {
    writeFileSync(join(directory, 'Dockerfile'), [`FROM ${nodeImage}`, ...lines, ''].join('\n'))
    await finished(client, await client.buildImage({ context: directory, src: ['Dockerfile'] }, { t: name }))
    return name
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function finished(client: Docker, stream: NodeJS.ReadableStream): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.modem.followProgress(stream, (error: Error | null, output: unknown) => (error === null ? resolve(output) : reject(error)))
  })
}

const nodeImage = 'waggle-test/node:1'
