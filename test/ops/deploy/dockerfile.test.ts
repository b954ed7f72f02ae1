import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { GenericContainer } from 'testcontainers'
import { shrinkPackages } from '../../../ops/deploy/image-packages.ts'
import { standInForNode } from '../../support/base-image.ts'
import { describeWithDocker } from '../../support/docker-daemon.ts'
import { linkProductionPackages } from '../../support/production-packages.ts'

const repository = resolve(import.meta.dirname, '..', '..', '..')
const maxLayersBytes = 500 * 1024 * 1024

/**
 * The official image is in a registry, so a stand-in has its name. The stand-in has Node, a shell, and an npm that installs the packages of this
 * clone.
 */
describeWithDocker('The Dockerfile', (docker) => {
  /** The packages of the image. They are beside the packages of this clone, because links cannot lead to another disk. */
  const packages = mkdtempSync(join(repository, 'node_modules', '.image-'))
  before(() => {
    linkProductionPackages(repository, packages)
    shrinkPackages(packages, [])
    // The user of the image must be able to read the packages.
    chmodSync(packages, 0o755)
  })
  after(() => rmSync(packages, { recursive: true }))

  it('makes layers of at most 500 MiB beyond the base image, compressed', (test) => {
    const layers = { packages: compressedBytes(packages, ['.']), own: compressedBytes(repository, ownFiles()) }
    const total = layers.packages + layers.own
    test.diagnostic(`compressed: packages ${mib(layers.packages)}, Waggle ${mib(layers.own)}, together ${mib(total)}`)
    assert.ok(total <= maxLayersBytes, `${mib(total)} are more than ${mib(maxLayersBytes)}`)
  })

  it('has one copy of each binary, and no files for other machines or for developers', () => {
    const files = (readdirSync(packages, { recursive: true }) as string[]).map((file) => file.split('/'))
    const named = (pattern: RegExp) => files.map((parts) => parts.join('/')).filter((file) => pattern.test(file))
    assert.deepEqual(named(/\.(d\.ts|map|zip|dylib|dll|cc)$/), [])
    for (const binary of [/libchdb.*\.so$/, /libonnxruntime\.so/, /rocksdb.*\.node$/, /onnxruntime_binding\.node$/])
      assert.equal(named(binary).length, 1, String(binary))
    for (const developer of ['typescript', '@biomejs', 'knip', 'playwright-core', 'testcontainers', '@types'])
      assert.equal(existsSync(join(packages, developer)), false, developer)
    const forDevelopers = /^(test|ops\/(check|bench)|\.github|\.ci)\/|^(biome|knip|tsconfig.*)\.json$/
    assert.deepEqual(
      ownFiles().filter((file) => forDevelopers.test(file)),
      [],
    )
  })

  it('builds an image that runs a swarm without root on a read-only file system, reports its health, stops, and lists its packages', {
    timeout: 300_000,
  }, async (test) => {
    // testcontainers must not use its own container, which would have to be pulled.
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true'
    // Without this variable, testcontainers searches for the address of Docker's bridge, which this Docker does not have.
    process.env.TESTCONTAINERS_HOST_OVERRIDE = '127.0.0.1'
    const [, base = ''] = /^FROM (\S+)/m.exec(readFileSync(join(repository, 'Dockerfile'), 'utf8')) ?? []
    const sbom = execFileSync('npm', ['sbom', '--omit=dev', '--package-lock-only', '--sbom-format=cyclonedx'], {
      cwd: repository,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    const { client } = docker()
    const missing = await standInForNode(client, base, { packages, sbom })
    if (missing !== null && process.env.CI !== 'true') return test.skip(missing)
    assert.equal(missing, null)
    await GenericContainer.fromDockerfile(repository).withCache(true).build('waggle-test/waggle:1', { deleteOnExit: false })
    const container = await client.createContainer({
      Image: 'waggle-test/waggle:1',
      Cmd: ['run', 'swarms/hello-world/swarm.yaml', '--json'],
      Healthcheck: { Interval: 1_000_000_000 },
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Binds: [`${packages}:/opt/node_modules:ro`],
      },
    })
    await container.start()
    const health = async () => (await container.inspect()).State.Health?.Status
    while ((await health()) !== 'healthy') {
      const { State } = await container.inspect()
      if (!State.Running) assert.fail((await container.logs({ stdout: true, stderr: true })).toString())
      await pause(100)
    }
    const script = `
      import { existsSync, readFileSync } from 'node:fs'
      const answer = await fetch('http://127.0.0.1:8080/v1/gateways/hello/request', {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name": "bear"}' })
      for (const name of ['chdb', 'onnxruntime-node', 'sharp', '@nxtedition/rocksdb', '@tensorflow/tfjs-backend-wasm']) await import(name)
      const { bomFormat, components } = JSON.parse(readFileSync('/waggle/sbom.json', 'utf8'))
      console.log(JSON.stringify({ status: answer.status, body: await answer.json(), uid: process.getuid(), bomFormat, components: components.length, test: existsSync('/waggle/test') }))`
    const exec = await container.exec({
      Cmd: ['node', '--input-type=module', '-e', script],
      AttachStdout: true,
      AttachStderr: true,
      Tty: true,
      WorkingDir: '/waggle',
    })
    const stream = await exec.start({ Tty: true })
    let output = ''
    for await (const chunk of stream) output += String(chunk)
    const found = JSON.parse(output.trim().split('\n').at(-1) ?? '') as { readonly [name: string]: unknown }
    assert.match(JSON.stringify(found.body), /bear/)
    assert.deepEqual(
      { status: found.status, uid: found.uid, bomFormat: found.bomFormat, test: found.test },
      { status: 200, uid: 1000, bomFormat: 'CycloneDX', test: false },
    )
    assert.ok(Number(found.components) > 100)
    await container.stop({ t: 30 })
    assert.equal((await container.inspect()).State.ExitCode, 0)
    const { Config } = await client.getImage('waggle-test/waggle:1').inspect()
    assert.deepEqual([Config.User, (Config as { readonly StopSignal?: string }).StopSignal], ['1000:1000', 'SIGTERM'])
  })

  it('can leave backends out, and refuses an unknown backend', () => {
    const without = mkdtempSync(join(repository, 'node_modules', '.image-'))
    try {
      linkProductionPackages(repository, without)
      shrinkPackages(without, ['clickhouse', 'tensorflow'])
      for (const name of ['chdb', '@chdb', '@tensorflow']) assert.equal(existsSync(join(without, name)), false, name)
      assert.ok(existsSync(join(without, 'onnxruntime-node')))
      assert.throws(() => shrinkPackages(without, ['clickhose']), /clickhose is no backend: leave out some of clickhouse, tensorflow, onnx/)
    } finally {
      rmSync(without, { recursive: true })
    }
  })
})

/** The files of this clone that `COPY . .` puts into the image. */
function ownFiles(): readonly string[] {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: repository, encoding: 'utf8' }).split('\0')
  const left = readFileSync(join(repository, '.dockerignore'), 'utf8').trim().split('\n')
  return files.filter(
    (file) => file !== '' && existsSync(join(repository, file)) && !left.some((path) => file === path || file.startsWith(`${path}/`)),
  )
}

function compressedBytes(folder: string, files: readonly string[]): number {
  const script = 'set -o pipefail; tar --create --directory "$0" --null --files-from - | gzip -6 | wc -c'
  return Number(execFileSync('bash', ['-c', script, folder], { input: files.join('\0'), encoding: 'utf8' }))
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`
}
