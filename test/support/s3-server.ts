import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CreateBucketCommand, DeleteObjectCommand, PutBucketVersioningCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { spawnEnding } from '../../ops/bench/ending-child.ts'
import { versitygw } from '../../ops/bench/versitygw.ts'
import { freePort } from './free-port.ts'

export type Env = { readonly [variable: string]: string }

/** A real S3: versitygw with its own folder. It checks signatures and permissions. */
export class S3Server {
  readonly endpoint: string
  readonly #program: string
  readonly #directory: string
  readonly #client: S3Client
  #child: ChildProcess | null = null

  private constructor(program: string, directory: string, port: number) {
    this.#program = program
    this.#directory = directory
    this.endpoint = `http://127.0.0.1:${port}`
    const credentials = { accessKeyId: root.access, secretAccessKey: root.secret }
    this.#client = new S3Client({ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
  }

  static async start(program: string): Promise<S3Server> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-s3-'))
    for (const name of ['objects', 'versions', 'users']) mkdirSync(join(directory, name))
    const server = new S3Server(program, directory, await freePort())
    await server.start()
    return server
  }

  /** The variables by which the AWS SDK finds this server and its owner. */
  get env(): Env {
    return this.envOf(root.access, root.secret)
  }

  envOf(access: string, secret: string): Env {
    return { AWS_ENDPOINT_URL_S3: this.endpoint, AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: 'us-east-1' }
  }

  /** Makes a user without any permission. */
  addUser(access: string, secret: string): void {
    const argv = ['admin', '--access', root.access, '--secret', root.secret, '--endpoint-url', this.endpoint]
    const { status, stderr, stdout } = spawnSync(this.#program, [...argv, 'create-user', '--access', access, '--secret', secret, '--role', 'user'], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`versitygw makes no user: ${stdout}${stderr}`)
  }

  async makeBucket(bucket: string): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: bucket }))
  }

  /** Makes the bucket keep all versions of an object, each with an id. */
  async keepVersions(bucket: string): Promise<void> {
    await this.#client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  }

  async put(bucket: string, key: string, body: Uint8Array | string): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body) }))
  }

  /** Puts a file into the bucket's folder, without the server, so that the file has no entity tag. */
  place(bucket: string, key: string, content: string): void {
    const file = join(this.#directory, 'objects', bucket, key)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }

  async remove(bucket: string, key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
  }

  async start(): Promise<void> {
    const { port } = new URL(this.endpoint)
    const argv = ['--port', `127.0.0.1:${port}`, '--access', root.access, '--secret', root.secret, '--quiet']
    const users = ['--iam-dir', join(this.#directory, 'users'), '--iam-cache-disable']
    const posix = ['posix', '--versioning-dir', join(this.#directory, 'versions'), join(this.#directory, 'objects')]
    const child = spawnEnding(this.#program, [...argv, ...users, ...posix], { stdio: 'ignore' })
    this.#child = child
    for (const end = performance.now() + 30_000; performance.now() < end && child.exitCode === null; await setTimeout(50)) {
      if ((await fetch(this.endpoint).catch(() => null)) !== null) return
    }
    throw new Error(`versitygw does not answer at ${this.endpoint}`)
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  async close(): Promise<void> {
    this.#client.destroy()
    await this.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Runs tests with a real S3, which runs during the tests. If it is not available, the tests are skipped with the reason; in CI they fail. */
export function describeWithS3(name: string, tests: (server: () => S3Server) => void): void {
  const program = versitygw()
  if ('missing' in program) {
    describe(name, () => {
      if (process.env.CI === 'true') it('has an S3 to run against', () => Promise.reject(new Error(program.missing)))
      else it('has an S3 to run against', { skip: program.missing }, () => {})
    })
    return
  }
  describe(name, () => {
    let server: S3Server | null = null
    before(async () => {
      server = await S3Server.start(program.path)
    })
    tests(() => {
      if (server === null) throw new Error('There is no S3 before the tests run')
      return server
    })
    after(() => server?.close())
  })
}

/** Runs with variables of this process, where the AWS SDK reads them. */
export async function withEnv<T>(env: Env, run: () => Promise<T>): Promise<T> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]))
  Object.assign(process.env, env)
  try {
    return await run()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

const root = { access: 'waggle', secret: 'waggle-waggle' }
